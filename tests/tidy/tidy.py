#!/usr/bin/env python3
"""Checks what no compiler does: which folder may include which, calls that have cost others dearly, files that nothing uses.

    tests/tidy/tidy.py          prints TAP, one test a rule, and below a failed one a line for each place

Each rule is a function that yields the places where it is broken as (file, line, what).
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# A folder of src/ and the folders that it may include from, itself aside.
BELOW = {
    'base': set(),
    'config': {'base'},
    'record': {'base', 'config'},
    'process': {'base', 'config', 'record', 'store'},
    'store': {'base', 'config', 'record', 'process', 'deliver'},
    'broker': {'base', 'config'},
    'deliver': {'base', 'config', 'record', 'process', 'store', 'broker'},
    'query': {'base', 'config', 'record', 'process', 'store', 'deliver'},
    'onboard': {'base', 'config', 'record', 'process', 'store', 'deliver'},
    'observe': {'base', 'config', 'record', 'process', 'store', 'deliver', 'intake', 'onboard'},
    'intake': {'base', 'config', 'record', 'process', 'store', 'broker'},
    'http': {'base', 'config', 'record', 'process', 'store', 'deliver', 'query', 'onboard', 'observe', 'intake'},
    'bench': {'base'},
    'engine': {'base', 'config', 'record', 'process', 'store'},
    'service': {'base', 'config', 'record', 'process', 'store', 'deliver', 'query', 'http', 'observe', 'intake', 'onboard', 'engine'},
    'cli': None,  # anything
    'main': {'cli'},
}

# What the store may know of the processor and of messages: the words of the domain, not the machinery.
STORE_NEIGHBOURS = {'process/outcome.h', 'process/rules.h', 'deliver/message.h'}

# banned.h keeps these from compiling where it can; here are those that are right in a few places only.
BANNED = [
    (r'\b(?:log_debug|log_info|log_warn|log_error|fprintf|vfprintf|printf|puts|perror)\s*\(',
     'whoever absorbs an error reports it; below service.c it is returned',
     r'src/(?:cli|http|intake|deliver|onboard|bench)/|src/(?:service|engine)\.c|src/base/log\.[ch]'),
    (r'\b(?:exit|_exit|abort|quick_exit)\s*\(', 'only the service and the commands end the process',
     r'src/(?:cli|bench)/|src/service\.c'),
    (r'\b(?:system|popen|execl|execlp|execvp|fork|vfork)\s*\(', 'no other program is run', None),
    (r'\b(?:getenv|secure_getenv|setenv|putenv)\s*\(', 'the environment is read by the configuration', r'src/cli/args\.c'),
    (r'\b(?:time|gettimeofday|clock_gettime|clock)\s*\(', 'time comes from a Clock',
     r'src/(?:cli|bench)/|src/base/clock\.c|src/process/processor\.c'),
    (r'\brand\s*\(', 'random numbers come from a Random', None),
    (r'\b(?:sleep|usleep|nanosleep)\s*\(', 'waiting is done on a condition or a poll',
     r'src/(?:cli|bench)/|src/http/server\.c'),  # the server's: while it drains
    (r'\b(?:sqlite3_exec_unchecked|sqlite3_enable_shared_cache|PRAGMA\s+synchronous\s*=\s*(?:OFF|NORMAL))\b',
     'durability is not traded away', None),
]

LINES_MAX = 600
# Files that were longer when the rule began, and may only become shorter.
LONGER = {
    'tests/unit/test_index_run.c': 630,
}


def listed(*suffixes):
    """The files that git knows or would add, by suffix."""
    out = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard', '-z'], cwd=ROOT, check=True, capture_output=True)
    names = sorted(n for n in out.stdout.decode().split('\0') if n and (ROOT / n).is_file())
    return [n for n in names if not suffixes or n.endswith(suffixes)]


TEXTS = {}


def text_of(name):
    if name not in TEXTS:
        TEXTS[name] = (ROOT / name).read_text(encoding='utf-8', errors='replace')
    return TEXTS[name]


def blank(match):
    return re.sub(r'[^\n]', ' ', match.group())


CODE = {}


def code_of(name):
    """The text with comments and string literals blanked out, so that lines and columns stay."""
    if name not in CODE:
        pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
        keep_includes = re.sub(r'^(\s*#\s*include\s*)"([^"]*)"', r'\1<\2>', text_of(name), flags=re.M)
        CODE[name] = re.sub(pattern, blank, keep_includes, flags=re.S)
    return CODE[name]


def line_at(text, position):
    return text.count('\n', 0, position) + 1


def includes(name):
    for match in re.finditer(r'^\s*#\s*include\s*"([^"]+)"', text_of(name), re.M):
        yield match.group(1), line_at(text_of(name), match.start())


def is_generated(name, target):
    """A header that the build makes: it has no folder, and the meson.build beside the file names it."""
    beside = str(pathlib.PurePosixPath(name).parent / 'meson.build')
    return '/' not in target and (ROOT / beside).is_file() and f"'{pathlib.PurePosixPath(target).stem}'" in text_of(beside)


def folder_of(path):
    """src/store/sqlite/db.c → store, engine.h → engine."""
    parts = pathlib.PurePosixPath(path).parts
    return parts[0] if len(parts) > 1 else pathlib.PurePosixPath(path).stem


def include_direction():
    for name in (n for n in listed('.c', '.h') if n.startswith('src/')):
        folder = folder_of(name[len('src/'):])
        if folder not in BELOW:
            yield name, 1, f'the folder {folder} is not in BELOW, which says what it may include'
            continue
        for target, line in includes(name):
            other = folder if is_generated(name, target) else folder_of(target)
            if other != folder and BELOW[folder] is not None and other not in BELOW[folder]:
                yield name, line, f'{folder} must not know {other}'
            if folder == 'store' and other in ('process', 'deliver') and target not in STORE_NEIGHBOURS:
                yield name, line, f'the store must not know {target}'
            if 'banned.h' in target:
                yield name, line, 'banned.h is included by the compiler\'s command line'


def sources_and_sinks_stay_apart():
    kind = re.compile(r'(?:^|/)(?:source|sink)_\w+\.[ch]$')
    for name in (n for n in listed('.c', '.h') if kind.search(n)):
        for target, line in includes(name):
            own = pathlib.PurePosixPath(name).stem == pathlib.PurePosixPath(target).stem
            if kind.search(target) and not own:
                yield name, line, f'{target} is another one\'s; what they share goes below them'


def includes_are_found():
    for name in listed('.c', '.h'):
        for target, line in includes(name):
            places = ('src/' + target, 'tests/' + target, str(pathlib.PurePosixPath(name).parent / target))
            if not is_generated(name, target) and not any((ROOT / place).is_file() for place in places):
                yield name, line, f'{target} is not relative to src/'


def banned_calls():
    for name in (n for n in listed('.c', '.h') if n.startswith('src/')):
        for pattern, why, allowed in BANNED:
            if allowed and re.match(allowed, name):
                continue
            for match in re.finditer(pattern, code_of(name)):
                yield name, line_at(code_of(name), match.start()), f'{match.group().rstrip("( ")}: {why}'


def every_source_is_built():
    built = '\n'.join(text_of(n) for n in listed('meson.build'))
    for name in listed('.c'):
        path = pathlib.PurePosixPath(name)
        short = re.sub(r'^(?:test|fuzz|replay)_', '', path.stem)
        by_loop = name.startswith('tests/') and re.search(rf"^\s*'{re.escape(short)}',$", built, re.M)
        if not by_loop and not re.search(rf"'(?:[\w/]*/)?{re.escape(path.name)}'", built):
            yield name, 1, 'no meson.build names it'


def every_header_is_used():
    used = {target for n in listed('.c', '.h') for target, _ in includes(n)}
    for name in listed('.h'):
        path = pathlib.PurePosixPath(name)
        known = {name.removeprefix('src/'), name.removeprefix('tests/'), path.name}
        if not known & used and path.name != 'banned.h':
            yield name, 1, 'nothing includes it'


def every_script_is_used():
    everything = '\n'.join(text_of(n) for n in listed() if not n.endswith(('.json', '.md')) or n in ('HACKING.md', 'README.md'))
    for name in (n for n in listed('.sh', '.py', '.mjs')):
        base = pathlib.PurePosixPath(name).name
        is_test = base.endswith('.test.mjs')
        if not is_test and everything.count(base) - text_of(name).count(base) < 1:
            yield name, 1, 'nothing runs it or speaks of it'


def file_length():
    for name in listed('.c', '.h', '.py', '.mjs', '.js', '.ts', '.sh'):
        lines = text_of(name).count('\n')
        most = LONGER.get(name, LINES_MAX)
        if lines > most:
            yield name, lines, f'longer than {most} lines; split it by what it speaks of'
        elif name in LONGER and lines <= LINES_MAX:
            yield name, lines, f'no longer than {LINES_MAX} lines now: take it out of LONGER in tests/tidy/tidy.py'
        elif lines + 20 < most and name in LONGER:
            yield name, lines, f'shorter now: lower its number in LONGER in tests/tidy/tidy.py to {lines}'
    for name in LONGER:
        if not (ROOT / name).is_file():
            yield name, 1, 'is in LONGER in tests/tidy/tidy.py, but there is no such file'


def comments_fit():
    """Code is laid out by clang-format, which leaves comments as they are."""
    for name in listed('.c', '.h'):
        for number, line in enumerate(text_of(name).split('\n'), 1):
            if len(line) > 120 and '"' not in line and re.search(r'^\s*(\*|/\*)|\*/$', line):
                yield name, number, 'a comment beyond column 120'


def headers_begin_with_their_manual():
    for name in listed('.h'):
        if not re.match(r'/\*.*?\w.*?\*/', text_of(name), re.S):
            yield name, 1, 'begins without a comment on what it is for'
        guard = 'WEIR_' + re.sub(r'\W', '_', name.removeprefix('src/')).upper()
        if name.startswith('src/') and f'#ifndef {guard}\n#define {guard}\n' not in text_of(name):
            yield name, 1, f'its guard is not {guard}'


def nothing_is_put_off():
    marks = re.compile(r'\b(?:TODO|FIXME|XXX|HACK)\b|\bif\s*\(\s*(?:0|false|1|true)\s*\)|^\s*#\s*if\s+[01]\s*$', re.M)
    for name in listed('.c', '.h', '.sh', '.mjs', '.ts', 'meson.build', 'Makefile'):
        searched = text_of(name)
        for match in marks.finditer(searched):
            yield name, line_at(searched, match.start()), f'{match.group().strip()}: do it, or say in the issue that it is left'


def no_conditions_for_tests():
    for name in (n for n in listed('.c', '.h') if n.startswith('src/')):
        for match in re.finditer(r'^\s*#\s*if(?:def|ndef)?\s+(.*)$', code_of(name), re.M):
            if not re.match(r'WEIR_\w+_H\s*$', match.group(1)):
                yield name, line_at(code_of(name), match.start()), f'#if {match.group(1).strip()}: a seam, not a condition'


def no_machine_paths():
    # Tests must not be found by what they look for.
    pattern = re.compile('/' + r'(?:work|root|home/\w+|Users/\w+)/|\b(?:/tmp/(?!weir-)\w)')
    for name in listed():
        if name.endswith(('.png', '.ico', '.woff2')) or name.startswith('tests/fuzz/corpus/'):
            continue
        for match in pattern.finditer(text_of(name)):
            yield name, line_at(text_of(name), match.start()), f'{match.group()}: a path of one machine'


def text_is_plain():
    for name in listed('.c', '.h', '.py', '.sh', '.mjs', '.ts', '.md', '.yaml', 'meson.build', 'Makefile'):
        text = text_of(name)
        if '\r' in text:
            yield name, 1, 'has carriage returns'
        if text and not text.endswith('\n'):
            yield name, line_at(text, len(text)), 'does not end in a line feed'
        for match in re.finditer(r'[ \t]+$', text, re.M):
            yield name, line_at(text, match.start()), 'has white space at its end'
        if name.endswith(('.c', '.h')) and '\t' in text:
            yield name, line_at(text, text.index('\t')), 'has a tab'


def tests_can_fail():
    function = re.compile(r'^static void (test_\w+)\(void \*\*\w+\)\n\{\n(.*?)^\}', re.M | re.S)
    for name in (n for n in listed('.c') if n.startswith('tests/')):
        for match in function.finditer(text_of(name)):
            if not re.search(r'assert|\bcheck\w*\(|\bCHECK\w*\(|\bfail\w*\(|\bexpect\w*\(|\brun\w*\(|\bmust\w*\(|\w+_(?:check|expect)\w*\(',
                             match.group(2)):
                yield name, line_at(text_of(name), match.start()), f'{match.group(1)} checks nothing'
            if f'{match.group(1)})' not in text_of(name) and f'{match.group(1)},' not in text_of(name):
                yield name, line_at(text_of(name), match.start()), f'{match.group(1)} is never run'


RULES = [
    include_direction,
    sources_and_sinks_stay_apart,
    includes_are_found,
    banned_calls,
    every_source_is_built,
    every_header_is_used,
    every_script_is_used,
    file_length,
    comments_fit,
    headers_begin_with_their_manual,
    nothing_is_put_off,
    no_conditions_for_tests,
    no_machine_paths,
    text_is_plain,
    tests_can_fail,
]


def main():
    failed = 0
    print(f'1..{len(RULES)}')
    for number, rule in enumerate(RULES, 1):
        places = list(rule())
        print(f'{"not ok" if places else "ok"} {number} - {rule.__name__}')
        for name, line, what in places:
            print(f'# {name}:{line}: {what}')
        failed += bool(places)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
