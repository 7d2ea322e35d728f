#!/bin/sh
# Finds a Python, makes the virtual environment and installs into it. The Makefile calls it; it needs nothing but sh.
#
#   tools/venv.sh find    prints the Python that the environment would be made with
#   tools/venv.sh book    installs what building the site needs
#   tools/venv.sh all     installs everything: site, notebooks, tests
#
# From the environment: PYTHON (an interpreter to use), VENV (the folder, .venv), LOCK (the file of exact versions,
# lock.txt; empty: the newest versions that pyproject.toml admits).
#
# A stamp written last tells that an installation is complete and for which pyproject.toml, lock and folder; whatever
# was killed half-way has no stamp and is completed at the next call.
set -eu
cd "$(dirname "$0")/.."

wanted="Python 3.11, 3.12 or 3.13"
venv=${VENV:-.venv}
lock=${LOCK-lock.txt}
log=$venv/install.log
unset PYTHONHOME

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

# Prints "3.11.7 linux x86_64" for an interpreter that runs; fails for one that does not (a dead link, a pyenv shim).
describe() {
    "$1" -c 'import platform, sys
print("%d.%d.%d %s %s" % (sys.version_info[:3] + (sys.platform, platform.machine())))' 2>/dev/null </dev/null
}

supported() {
    case $1 in
        3.11.* | 3.12.* | 3.13.*) return 0 ;;
        *) return 1 ;;
    esac
}

refuse() { # VERSION NAME: says why an interpreter cannot be used
    case $1 in
        3.1[4-9].* | 3.[2-9][0-9].* | [4-9].*)
            fail "Python $1 ($2) is too new, TensorFlow has no wheel for it: install $wanted beside it," \
                "or name one with PYTHON=/path/to/python."
            ;;
        *)
            fail "Python $1 ($2) is too old: install $wanted, or name one with PYTHON=/path/to/python."
            ;;
    esac
}

find_python() { # sets python and about
    if [ -n "${PYTHON:-}" ]; then
        python=$PYTHON
        about=$(describe "$python") || fail "PYTHON=$python does not run: name $wanted, or leave PYTHON out."
        supported "$about" || refuse "${about%% *}" "$python"
        return
    fi
    first=$(describe python3) || first=
    for python in python3 python3.13 python3.12 python3.11; do
        if about=$(describe "$python") && supported "$about"; then return; fi
    done
    if [ -n "$first" ]; then refuse "${first%% *}" python3; fi
    fail "No Python found: install $wanted (Debian, Ubuntu: sudo apt install python3 python3-venv;" \
        "macOS: brew install python@3.13), or name one with PYTHON=/path/to/python."
}

# A virtual environment keeps the path of the folder it was made in, so one that was moved is of no use.
usable() {
    about=$(describe "$venv/bin/python") && supported "$about" || return 1
    if [ -n "${PYTHON:-}" ]; then
        asked=$(describe "$PYTHON") || asked=
        [ "${asked%.* * *}" = "${about%.* * *}" ] || return 1
    fi
    if [ -f "$venv/.made" ]; then
        [ "$(cat "$venv/.made")" = "$PWD" ]
    else
        "$venv/bin/python" -m pip --version >/dev/null 2>&1 && printf '%s\n' "$PWD" >"$venv/.made"
    fi
}

make_venv() {
    find_python
    if [ -e "$venv" ]; then
        if [ ! -e "$venv/pyvenv.cfg" ] && [ "$venv" != .venv ] && [ -n "$(ls -A "$venv")" ]; then
            fail "VENV=$venv is no virtual environment, and it is not empty: name another folder."
        fi
        echo "$venv is incomplete, was moved, or is of another Python: making it anew."
    fi
    "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 || no_venv
    echo "Making $venv with Python ${about%% *} ($python)."
    "$python" -m venv --clear "$venv" >/dev/null 2>&1 || no_venv
    printf '%s\n' "$PWD" >"$venv/.made"
}

no_venv() {
    minor=${about%% *}
    fail "Python ${about%% *} ($python) cannot make a virtual environment, its venv module is missing: on Debian and" \
        "Ubuntu, sudo apt install python${minor%.*}-venv; elsewhere install a whole Python" \
        "or name one with PYTHON=/path/to/python."
}

key() { # what an installation depends on
    {
        printf '%s\n' "$1" "$PWD" "$about"
        cat pyproject.toml
        if [ -n "$lock" ]; then cat "$lock"; fi
    } | cksum
}

unreachable='establish a new connection|[Nn]ame ?[Rr]esolution|ConnectTimeout|ReadTimeout|ProxyError|RemoteDisconnected'
unreachable="$unreachable|Connection (refused|reset|aborted|broken)|Network is unreachable"

explain() { # says in one line why pip failed
    if grep -q 'No space left on device' "$log"; then
        fail "The disk is full: the site alone needs about 0.5 GB, everything about 4 GB (more with CUDA packages)."
    elif grep -q 'CERTIFICATE_VERIFY_FAILED' "$log"; then
        fail "The package registry's certificate was not accepted: behind a proxy that has its own," \
            "set PIP_CERT to its file. Details: $log"
    # setuptools is the first thing that pip asks for, and every registry has it.
    elif grep -qE "$unreachable|No matching distribution found for setuptools" "$log"; then
        fail "No network: the package registry does not answer. Check the connection (behind a proxy, set" \
            "HTTPS_PROXY) and run the same command again; it goes on where it stopped. Details: $log"
    fi
    missing=$(sed -n 's/.*No matching distribution found for \([^ ;]*\).*/\1/p' "$log" | head -n 1)
    if [ -n "$missing" ]; then
        fail "The package registry has no $missing for this machine (Python $about). Details: $log"
    fi
    tail -n 15 "$log" >&2
    fail "Installing failed. The whole log: $log"
}

install() { # LEVEL EXTRAS WHAT
    if ! usable; then make_venv; fi
    case "$1 $about" in
        all*darwin*x86_64)
            fail "PyTorch is no longer built for Intel Macs: make book works here, but run the notebooks and tests" \
                "in Colab, on Linux, or on a Mac with an Apple processor."
            ;;
    esac
    about=$(describe "$venv/bin/python")
    stamp=$venv/.installed-$1
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(key "$1")" ]; then return; fi
    # Everything contains what the site needs.
    if [ "$1" = book ] && [ -f "$venv/.installed-all" ] && [ "$(cat "$venv/.installed-all")" = "$(key all)" ]; then
        return
    fi
    echo "Installing $3; details in $log."
    rm -f "$venv/.installed-book" "$venv/.installed-all"
    # PIP_USER: a user's own setting that cannot work inside a virtual environment.
    PIP_USER=0 "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off \
        ${lock:+-c "$lock"} -e ".[$2]" >"$log" 2>&1 </dev/null || explain
    key "$1" >"$stamp"
}

case ${1:-} in
    find)
        find_python
        command -v "$python"
        ;;
    book) install book book "what the site needs (about 0.5 GB, half a minute)" ;;
    all) install all book,notebooks,test "everything (4 GB or more, a few minutes the first time)" ;;
    *) fail "usage: tools/venv.sh find|book|all" ;;
esac
