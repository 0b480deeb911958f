#!/usr/bin/python3
"""embed.py NAME HEADER SOURCE [FILE...]: the files' bytes as the string_view todo::embedded::NAME.

Used by todo_embed() in cmake/todo_embed.cmake. Without files the text is empty.
"""
import pathlib
import sys


def literal(data: bytes) -> str:
    """The bytes as C++ string literals, one per line of input."""
    plain = {byte: chr(byte) for byte in range(0x20, 0x7F) if chr(byte) not in '"\\?'}
    lines = []
    for line in data.splitlines(keepends=True):
        # Octal escapes have at most three digits, so a digit that follows cannot join one.
        lines.append('    "' + "".join(plain.get(byte) or f"\\{byte:03o}" for byte in line) + '"')
    return "\n".join(lines) or '    ""'


def main() -> None:
    name, header, source = sys.argv[1:4]
    data = b"".join(pathlib.Path(file).read_bytes() for file in sys.argv[4:])
    pathlib.Path(header).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(header).write_text(
        "#pragma once\n\n#include <string_view>\n\n"
        f"namespace todo::embedded {{\n\nextern const std::string_view {name};\n\n}}\n"
    )
    pathlib.Path(source).write_text(
        f'#include "embedded/{name}.h"\n\n'
        # Both compilers take a literal of any length; clang says so even where it was told not to,
        # when -Wpedantic comes later.
        '#pragma GCC diagnostic ignored "-Woverlength-strings"\n\n'
        "namespace todo::embedded {\n\n"
        f"constinit const std::string_view {name}{{\n{literal(data)},\n    {len(data)}}};\n\n}}\n"
    )


if __name__ == "__main__":
    main()
