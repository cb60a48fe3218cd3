# What make dist and make gpu-bundle share: messages, and which libraries a program needs. Sourced.

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*"; }
fail() { say "$*" >&2; exit 1; }

# Of glibc, which is the machine's own where it is new enough; and of the compiler's runtime.
glibc='linux-vdso|ld-linux.*|libc|libm|libmvec|libdl|libpthread|librt|libresolv|libutil|libanl|libnsl'
runtime='libstdc\+\+|libgcc_s'
is_glibc() { [[ $1 =~ ^($glibc)(-[0-9.]+)?\.so ]]; }
is_runtime() { [[ $1 =~ ^($runtime)\.so ]]; }

# Prints the libraries that file $1 needs, with those that they need: name and path, one a line.
libraries_of() {
  ldd "$1" | awk '$2 == "=>" { if ($3 == "not") exit 1; print $1, $3 }' \
    || fail "a library that $1 needs is missing: ldd $1"
}

# Prints the path of the loader that file $1 asks for.
interpreter_of() { ldd "$1" | awk '$1 ~ /ld-linux/ { print $1 }'; }
