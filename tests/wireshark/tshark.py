"""Runs tshark with the plugin that was built, and with nothing of the user's.

As root tshark reads no plugin folder of the user's, so it runs as nobody, in a
folder that everybody can read.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

NOBODY = "65534"
ROOT = Path(__file__).resolve().parents[2]


class Tshark:
    def __init__(self, plugin: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sprat-tshark-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.home = self.folder / "home"
        self.home.mkdir()
        self.home.chmod(0o777)
        (self.folder / "none").mkdir()
        # .../plugins/4.0/epan/sprat.so: the version is part of the path.
        place = self.folder / "plugins" / plugin.parts[-3] / "epan"
        place.mkdir(parents=True)
        shutil.copy(plugin, place)

    def close(self) -> None:
        shutil.rmtree(self.folder)

    def file(self, name: str, content: bytes | str) -> Path:
        """A file that tshark can read."""
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(0o644)
        return path

    def copy(self, path: Path) -> Path:
        return self.file(path.name, path.read_bytes())

    def environment(self, with_plugin: bool = True) -> dict[str, str]:
        plugins = self.folder / ("plugins" if with_plugin else "none")
        return {**os.environ, "HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / ".config"),
                "WIRESHARK_PLUGIN_DIR": str(plugins), "TZ": "UTC", "LC_ALL": "C.UTF-8"}

    @staticmethod
    def as_nobody(*command: str) -> list[str]:
        if os.geteuid() != 0:
            return list(command)
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *command]

    @staticmethod
    def preloaded() -> list[str]:
        """For a plugin with sanitizers: their runtime, in tshark alone."""
        libraries = os.environ.get("SPRAT_PRELOAD")
        return ["env", f"LD_PRELOAD={libraries}"] if libraries else []

    def run(self, *arguments: str | Path, with_plugin: bool = True, **more: str) -> subprocess.CompletedProcess[str]:
        command = self.as_nobody(*self.preloaded(), "tshark", *map(str, arguments))
        return subprocess.run(command, env={**self.environment(with_plugin), **more}, cwd=self.folder,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=300)

    def output(self, *arguments: str | Path, with_plugin: bool = True) -> str:
        done = self.run(*arguments, with_plugin=with_plugin)
        if done.returncode != 0:
            raise AssertionError(f"tshark ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def fields(self, capture: Path, names: list[str], *options: str) -> list[dict[str, str]]:
        """The first value of each field, frame by frame."""
        wanted = [word for name in names for word in ("-e", name)]
        text = self.output("-r", capture, "-T", "fields", "-E", "separator=|", "-E", "occurrence=f",
                           *wanted, *options)
        return [dict(zip(names, line.split("|"), strict=True)) for line in text.splitlines()]


def row(spi: int, encr: str, key: bytes, integ: str = "NONE", integ_key: bytes = b"", *,
        source: str = "*", destination: str = "*", mode: str = "any", esn: bool = False,
        start: int = 0, name: str = "") -> str:
    """A row of the table of SAs. Columns of octets must stand without quotes."""
    return ",".join([f'"{source}"', f'"{destination}"', f'"{spi:x}"', f'"{mode}"', f'"{encr}"', key.hex(),
                     f'"{integ}"', integ_key.hex(), f'"{str(esn).upper()}"', f'"{start}"', f'"{name}"'])


def table(*rows: str) -> list[str]:
    return [word for row in rows for word in ("-o", f"uat:sprat_sas:{row}")]


def config(path: Path) -> list[str]:
    return ["-o", f"sprat.config:{path}"]
