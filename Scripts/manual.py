#!/usr/bin/env python3
"""Writes the manual page from what the program says of its own commands and options.

    gputrain --experimental-dump-help | Scripts/manual.py > gputrain.1

The date is that of SOURCE_DATE_EPOCH, else today's. Options that several commands share word for word
are described once. swift-argument-parser's own generator loses every character beyond ASCII, default
values and the values that there are to choose from.
"""

import datetime
import json
import os
import sys

SHARED_FROM = 3


def roff(text):
    """`text` as roff takes it; a line never begins with a control character."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in text.split("\n"))


def paragraphs(text):
    return "\n.PP\n".join(roff(" ".join(part.split("\n"))) for part in text.strip().split("\n\n"))


def split_examples(command):
    """A command's discussion without its examples, and these, as (command line, remark)."""
    text, _, examples = command.get("discussion", "").partition("Examples:\n")
    lines = examples.replace("\\\n", " ").splitlines()
    pairs = [line.partition(" # ")[::2] for line in lines if line.strip()]
    return text.strip(), [(" ".join(line.split()), remark.strip()) for line, remark in pairs]


def flags(argument):
    """`-q, --quiet` or `--widths list`, its names bold and its value in italics."""
    if argument["kind"] == "positional":
        return f"\\fI{roff(argument['valueName'])}\\fR"
    names = sorted(argument["names"], key=lambda name: name["kind"] != "short")
    text = ", ".join(
        f"\\fB{roff(('-' if name['kind'] == 'short' else '--') + name['name'])}\\fR" for name in names)
    return text + (f" \\fI{roff(argument['valueName'])}\\fR" if argument["kind"] == "option" else "")


def description(argument):
    text = argument.get("abstract", "")
    notes = []
    if argument.get("allValues"):
        notes.append("one of " + ", ".join(argument["allValues"]))
    if argument.get("defaultValue") not in (None, ""):
        notes.append("default: " + argument["defaultValue"])
    return roff(text + (f" ({'; '.join(notes)})" if notes else ""))


def entry(argument):
    return f".TP\n{flags(argument)}\n{description(argument)}"


def key(argument):
    return flags(argument), description(argument)


def leaves(command, path=()):
    """Every command that runs, with the words that call it."""
    for sub in command.get("subcommands", []):
        words = path + (sub["commandName"],)
        if sub["commandName"] == "help":
            continue
        if sub.get("subcommands"):
            yield from leaves(sub, words)
        else:
            yield " ".join(words), sub


def shown(command):
    return [argument for argument in command.get("arguments", [])
            if argument.get("shouldDisplay", True)
            and not any(name["name"] in ("help", "h") for name in argument.get("names", []))]


def synopsis(name, command):
    words = [f"\\fBgputrain\\fR \\fB{roff(name)}\\fR [\\fIoptions\\fR]"]
    for argument in shown(command):
        if argument["kind"] == "positional":
            text = f"\\fI{roff(argument['valueName'])}\\fR" + (" ..." if argument["isRepeating"] else "")
            words.append(f"[{text}]" if argument["isOptional"] else text)
    return " ".join(words)


def main():
    root = json.load(sys.stdin)["command"]
    commands = list(leaves(root))
    users = {}
    for name, command in commands:
        for argument in shown(command):
            users.setdefault(key(argument), (argument, []))[1].append(name)
    shared = {k for k, (_, names) in users.items() if len(names) >= SHARED_FROM}
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    now = datetime.datetime.fromtimestamp(
        int(epoch) if epoch else datetime.datetime.now().timestamp(), datetime.timezone.utc)

    page = [
        f'.TH GPUTRAIN 1 "{now:%Y-%m-%d}" "gputrain" "User Commands"',
        ".SH NAME", "gputrain \\- " + roff(root["abstract"]),
        ".SH SYNOPSIS", ".nf",
        *(synopsis(name, command) for name, command in commands),
        "\\fBgputrain help\\fR [\\fIcommand\\fR]", ".fi",
        ".SH DESCRIPTION", paragraphs(root.get("discussion", "")),
        ".PP", f"Without a command, \\fB{roff(root['defaultSubcommand'])}\\fR is meant.",
        ".SH COMMANDS",
    ]
    for name, command in commands:
        own = [argument for argument in shown(command) if key(argument) not in shared]
        page += [f'.SS "gputrain {roff(name)}"', roff(command["abstract"])]
        discussion, _ = split_examples(command)
        if discussion:
            page += [".PP", paragraphs(discussion)]
        page += [entry(argument) for argument in own]
    page.append('.SH "OPTIONS OF SEVERAL COMMANDS"')
    groups = {}
    for argument, names in users.values():
        if len(names) >= SHARED_FROM:
            groups.setdefault(tuple(names), []).append(argument)
    for names, arguments in groups.items():
        title = "all commands" if len(names) == len(commands) else ", ".join(names)
        page += [f'.SS "Of {roff(title)}"', *(entry(argument) for argument in arguments)]
    page.append(".SH EXAMPLES")
    for _, command in commands:
        for line, remark in split_examples(command)[1]:
            page.append(f".TP\n\\fB{roff(line)}\\fR\n{roff(remark)}".rstrip() if remark else f".PP\n\\fB{roff(line)}\\fR")
    page += [
        '.SH "EXIT STATUS"',
        ".TP\n\\fB0\\fR\nAll went well.",
        ".TP\n\\fB1\\fR\nSomething failed, \\fBcheck\\fR found the spectral condition broken, or \\fBselftest\\fR a device "
        "that computes wrongly.",
        ".TP\n\\fB2\\fR\n\\fBcheck\\fR cannot tell whether the condition is met, be it for an error.",
        ".TP\n\\fB64\\fR\nThe command line was bad.",
        ".TP\n\\fB74\\fR\nResults could not be written to standard output.",
        ".TP\n\\fB130\\fR, \\fB143\\fR, \\fB129\\fR\nThe run was stopped by Ctrl\\-C, SIGTERM or SIGHUP; the same command "
        "again resumes.",
        ".SH ENVIRONMENT",
        ".TP\n\\fBNO_COLOR\\fR\nWhere it is set and not empty, nothing is coloured (no\\-color.org).",
        ".TP\n\\fBXDG_CACHE_HOME\\fR\nCompiled kernels lie in its \\fIgputrain/programs\\fR where the "
        "driver does not cache them, and what \\fBtune\\fR finds in \\fIgputrain/tunings\\fR; by default ~/.cache.",
        ".TP\n\\fBPOCL_AFFINITY\\fR\nWhether PoCL binds its threads to processors; set by the program on "
        "a machine that is otherwise idle, unless it is set already.",
        '.SH "SEE ALSO"',
        "G. Yang, J. B. Simon, J. Bernstein, \\fIA Spectral Condition for Feature Learning\\fR, "
        "arXiv:2310.17813.",
    ]
    sys.stdout.reconfigure(encoding="utf-8")
    print("\n".join(page))


if __name__ == "__main__":
    main()
