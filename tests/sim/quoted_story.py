"""The story that docs/testing.md quotes is one that the program still tells: quoted_story.py PAGE PROGRAM.

Lines that are left out are "…"; the others have to come in this order, the seed named in the last one. When draws have changed,
look for a seed that tells as much, and quote that one."""
import pathlib
import re
import subprocess
import sys

page, program = sys.argv[1:]
name = pathlib.Path(program).name
quoted = re.search(r'^```\n(step (?:(?!```).*\n)+?)again: \S*' + name + r' --seed (\d+) .*\n```',
                   pathlib.Path(page).read_text(encoding='utf-8'), re.M)
if not quoted:
    sys.exit(f'{page} quotes no story of {name}')
story, seed = quoted.groups()
told = subprocess.run([program, '--seed', seed, '--trace'], capture_output=True, encoding='utf-8', errors='replace',
                      timeout=60, check=False).stdout.splitlines()
at = 0
for line in story.splitlines():
    if line == '…':
        continue
    if line not in told[at:]:
        sys.exit(f'{page} quotes a story that {name} --seed {seed} does not tell: {line}')
    at = told.index(line, at) + 1
