"""Pages that gputrain leaves, in a real browser: opened from disk, at the width of a desk and of a
telephone, in the light and in the dark. No Python package is needed; Chromium is.

    apt-get install chromium
    python3 Tests/Interop/check_report.py .build/release/gputrain [FOLDER FOR SCREENSHOTS]
"""

import html
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

BROWSERS = ["chromium", "chromium-browser", "google-chrome", "chrome"]
browser = next((path for path in map(shutil.which, BROWSERS) if path), None)
if browser is None:
    print(f"skipped: none of {', '.join(BROWSERS)} is installed")
    sys.exit(0)
program = str(pathlib.Path(sys.argv[1]).resolve())
shots = pathlib.Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else None

# The page lies in a frame of the width asked for, as browsers refuse windows so narrow. The frame
# is measured from outside: what it is wide, what it loaded, what its pictures are.
OUTSIDE = """<!DOCTYPE html><meta charset="utf-8"><link rel="icon" href="data:,">
<body style="margin:0"><iframe style="border:0;width:WIDTHpx;height:HEIGHTpx"></iframe>
<pre id="found"></pre><script>
const frame = document.querySelector("iframe");
frame.onload = () => {
  const page = frame.contentDocument, view = frame.contentWindow;
  const limit = page.documentElement.clientWidth;
  const wide = [...page.querySelectorAll("body *")].filter(node => {
    if (node.closest("svg")) return false;
    return node.getBoundingClientRect().right > limit + 1;
  }).map(node => node.outerHTML.slice(0, 80));
  document.getElementById("found").textContent = JSON.stringify({
    limit, scroll: page.documentElement.scrollWidth, height: page.documentElement.scrollHeight, wide,
    // What was loaded, and what is named to be: a load from disk that fails is no entry.
    loaded: [...view.performance.getEntriesByType("resource").map(entry => entry.name),
      ...[...page.querySelectorAll("[src]")].map(node => node.src),
      ...[...page.querySelectorAll("link")].map(node => node.href)]
      .filter(name => !name.startsWith("data:")),
    broken: [...page.images].filter(image => !image.naturalWidth).map(image => image.alt),
    background: view.getComputedStyle(page.body).backgroundColor,
    headings: [...page.querySelectorAll("h1, h2")].map(node => node.textContent),
    drawings: [...page.querySelectorAll("svg")].map(node => node.getBoundingClientRect().height),
    // A variable without a value is no colour.
    colours: [...page.querySelectorAll("svg [stroke^=var], svg [fill^=var]")].filter(node => {
      const name = (node.getAttribute("stroke") ?? node.getAttribute("fill")).slice(4, -1);
      return !view.getComputedStyle(page.documentElement).getPropertyValue(name);
    }).map(node => node.outerHTML.slice(0, 80)),
    // Labels of ticks that touch, in the browser's own font.
    touching: [...page.querySelectorAll("svg g")].flatMap(group => {
      const boxes = [...group.children].filter(node => node.matches("text:not([transform])"))
        .map(node => node.getBoundingClientRect());
      return boxes.flatMap((a, i) => boxes.slice(i + 1).filter(b => a.left < b.right &&
        b.left < a.right && a.top + 3 < b.bottom - 3 && b.top + 3 < a.bottom - 3).map(b =>
        `${group.closest("svg").id} at ${a.left}`));
    }),
  });
};
frame.src = "PAGE";
</script></body>"""


def chromium(folder, *arguments):
    return subprocess.run(
        [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         "--allow-file-access-from-files", "--enable-logging=stderr", "--no-first-run",
         "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder}/profile", *arguments],
        capture_output=True, text=True, timeout=120)


def look(folder, page, width, dark, shot):
    height = 900
    theme = [f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
    outside = folder / "outside.html"
    outside.write_text(OUTSIDE.replace("WIDTH", str(width)).replace("HEIGHT", str(height))
                       .replace("PAGE", page.as_uri()))
    window = f"--window-size={max(width, 500)},{height}"
    done = chromium(folder, *theme, window, "--virtual-time-budget=5000", "--dump-dom",
                    outside.as_uri())
    match = re.search(r'<pre id="found">(.+?)</pre>', done.stdout, re.S)
    assert match, f"{page}: not loaded\n{done.stderr}"
    found = json.loads(html.unescape(match.group(1)))
    problems = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    place = f"{page.name} at {width} px, {'dark' if dark else 'light'}"
    assert not problems, f"{place}: {problems}"
    assert found["limit"] == width, f"{place}: measured at {found['limit']}"
    assert found["scroll"] <= width and not found["wide"], f"{place}: too wide: {found['wide']}"
    assert not found["loaded"], f"{place}: loads {found['loaded']}"
    assert not found["broken"], f"{place}: pictures that do not show: {found['broken']}"
    assert not found["colours"], f"{place}: colours without a value: {found['colours'][:3]}"
    assert not found["touching"], f"{place}: labels touch: {found['touching'][:3]}"
    assert all(size > 100 for size in found["drawings"]), f"{place}: {found['drawings']}"
    if shots:
        outside.write_text(outside.read_text().replace(f"{height}px", f"{found['height']}px"))
        name = f"{page.parent.name}-{page.stem}-{width}-{'dark' if dark else 'light'}.png"
        chromium(folder, *theme, f"--window-size={max(width, 500)},{found['height']}",
                 f"--screenshot={shots / name}", outside.as_uri())
    return found


def run(folder, *arguments, status=0):
    done = subprocess.run([program, *arguments], capture_output=True, text=True, cwd=folder)
    assert done.returncode == status, done.stderr


with tempfile.TemporaryDirectory() as place:
    folder = pathlib.Path(place)
    if shots:
        shots.mkdir(parents=True, exist_ok=True)
    small = ["--depth", "2", "--steps", "40", "--seeds", "2", "--base-width", "16"]
    run(folder, "sweep", "--widths", "16,32,64", "--log2-lr=-9:-5:5", "--diagnose", "10", "--out",
        "sweep", *small)
    run(folder, "sweep", "--widths", "16,32", "--log2-lr=-2:12:8", "--optimizer", "sgd", "--out",
        "diverging", *small)
    run(folder, "report", "sweep", "diverging", "--out", "both/report.html")
    run(folder, "check", "--widths", "32,64,128", "--rate-rule", "readout=sp", "--out", "check",
        status=1)
    run(folder, "figures", "--widths", "16,32,64", "--steps", "5", "--seeds", "2",
        "--spectrum-width", "32", "--batch-sizes", "1,8,64", "--out", "figures")
    rows = [f"{method},{width},{2.0 ** rate},{seed},{1 + (rate + 8 + move * octave) ** 2 / 20 + seed / 500}"
            for method, move in [("mup", 0), ("a rather long name of a method", 1), ("sp", 0.7)]
            for octave, width in enumerate([64, 128, 256]) for rate in range(-12, -4)
            for seed in range(3)]
    (folder / "runs.csv").write_text("\n".join(["method,width,lr,seed,loss", *rows]))
    (folder / "best.csv").write_text("width,lr\n128,1e-3\n256,5e-4\n512,2e-4\n")
    run(folder, "transfer", "runs.csv", "--out", "transfer")
    run(folder, "transfer", "best.csv", "--out", "best-rates")
    for name in ["sweep", "diverging", "both", "check", "figures", "transfer", "best-rates"]:
        page = folder / name / "report.html"
        backgrounds = set()
        for width in [1280, 390]:
            for dark in [False, True]:
                found = look(folder, page, width, dark, shots)
                backgrounds.add(found["background"])
        assert len(backgrounds) == 2, f"{name}: the same in the dark: {backgrounds}"
        print(f"{name}: {len(found['headings'])} headings, {len(found['drawings'])} drawings")
print("all well")
