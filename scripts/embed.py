#!/usr/bin/env python3
"""embed.py NAME INPUT OUTPUT: writes a file as a C array, so that it is part of the binary."""
import sys

name, source, target = sys.argv[1:]
with open(source, 'rb') as file:
    data = file.read()
with open(target, 'w') as file:
    file.write(f'static const char {name}[] = {{\n')
    for at in range(0, len(data), 20):
        file.write(' '.join(f'{byte if byte < 128 else byte - 256},' for byte in data[at:at + 20]) + '\n')
    file.write('0};\n')
