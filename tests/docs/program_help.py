"""What the program says of itself."""
import re
import subprocess

from harness.server import program


def show_help(*arguments) -> str:
    return subprocess.run([program(), *arguments, "--help"], capture_output=True, text=True,
                          check=True).stdout


def subcommands(*path) -> list:
    """All that can be called, as `events dead list`, in the order of the help."""
    listed = re.search(r"^Subcommands:\n((?:  .*\n)+)", show_help(*path), flags=re.M)
    if listed is None:
        return [" ".join(path)]
    names = re.findall(r"^  (\S+)", listed[1], flags=re.M)
    return [leaf for name in names for leaf in subcommands(*path, name)]
