"""A user of the project for tests: a checkout, a home of its own, and what runs out of it.

Everything is done as a user does it, by starting ``vdc`` or ``pulumi``; only looking is done from
here. Several checkouts live side by side, and :meth:`Checkout.clear` ends whatever is left of one.
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from e2e.remains import cgroups_of, mounts_below, processes_of
from vdc.client import PoolClient, Profile
from vdc.home import Home, StackHome
from vdc.provider import processes

REPOSITORY = Path(__file__).parents[2]
SITE, GROUP = "here", "workers"
# A command that takes longer than this hangs: the slowest takes half a minute on a busy machine.
PATIENCE_S = 240.0
# Variables of whoever runs the tests that would change what is tested.
_FOREIGN = ("VDC_HOME", "VDC_STACK", "VDC_ADDR", "VDC_CACERT", "VDC_TOKEN", "PULUMI_", "NOMAD_")


@dataclass(frozen=True)
class Done:
    """A command that has ended.

    Attributes:
        text: Standard output and standard error, each whole.
    """

    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def text(self) -> str:
        """Both."""
        return self.stdout + self.stderr


@dataclass(frozen=True)
class Checkout:
    """One user's checkout with one stack; see :func:`checkout`.

    Attributes:
        base: Holds everything else, and goes with it.
        stack: The stack, which is the data centre's name too.
        environment: Of every command.
        prefix: Put before every command (another user's, for one).
        scripts: Folder of the programs ``vdc`` and its like.
        patience_s: How long a command may take; machines that boot take longer than processes.
        work: Every allocation that was seen on its nodes.
    """

    base: Path
    stack: str
    environment: Mapping[str, str]
    prefix: tuple[str, ...] = ()
    scripts: Path = Path(sys.prefix) / "bin"
    patience_s: float = PATIENCE_S
    work: set[str] = field(default_factory=set)

    @property
    def root(self) -> Path:
        """The checkout itself."""
        return self.base / "checkout"

    @property
    def home(self) -> Home:
        """The user's data and cache."""
        return Home(Path(self.environment["VDC_HOME"]), Home.of_user().cache)

    @property
    def own(self) -> StackHome:
        """The stack's folder in the home."""
        return self.home.stack(self.stack)

    @property
    def state(self) -> Path:
        """The stack's state in Pulumi's backend."""
        return self.home.backend / ".pulumi" / "stacks" / "vdc" / f"{self.stack}.json"

    # --- what the user does ---------------------------------------------------------

    def declare(
        self, workers: int = 3, *, groups: Mapping[str, int] | None = None, **more: Any
    ) -> None:
        """Writes the declaration: one site, ``workers`` and other groups with their counts."""
        size = {"cpu": 2, "memory": "4GiB", "disk": "10GiB"}
        counts = {GROUP: workers, **(groups or {})}
        drain = {"deadline": "60s"}
        document = {
            "name": self.stack,
            "currency": "USD",
            "control": {"site": SITE, "servers": 1},
            "sites": {
                SITE: {
                    "kind": "local",
                    "groups": {
                        name: {"count": count, "size": size, "drain": drain}
                        for name, count in counts.items()
                    },
                }
            },
            **more,
        }
        self.declaration.write_text(yaml.safe_dump(document, sort_keys=False))

    @property
    def declaration(self) -> Path:
        """The file that declares the stack."""
        return self.root / "stacks" / f"{self.stack}.yaml"

    def vdc(self, *arguments: str, code: int = 0) -> Done:
        """Runs ``vdc`` with standard input closed; it must end with the given exit code."""
        return self._run([str(self.scripts / "vdc"), *arguments], code)

    def pulumi(self, *arguments: str, code: int = 0) -> Done:
        """Runs the literal ``pulumi`` in a shell that has evaluated ``vdc env`` and no more."""
        evaluated = f'eval "$({self.scripts / "vdc"} env)" && exec pulumi "$@"'
        return self._run(["sh", "-c", evaluated, "sh", *arguments], code)

    def make(self, target: str) -> Done:
        """Runs ``make``, in a checkout that is a whole one."""
        return self._run(["make", target], 0)

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Starts ``vdc`` and returns at once; what it says goes to :attr:`last_words`."""
        with self.last_words.open("wb") as output:
            return subprocess.Popen(
                [*self.prefix, str(self.scripts / "vdc"), *arguments],
                cwd=self.root,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def first_words(self) -> Path:
        """What the first ``vdc up`` of a shared data centre has said."""
        return self.base / "first-words"

    @property
    def last_words(self) -> Path:
        """What the command that :meth:`begin` started has said."""
        return self.base / "last-words"

    def _run(self, command: list[str], code: int) -> Done:
        self._see_work()
        begun = time.monotonic()
        process = subprocess.run(
            [*self.prefix, *command],
            cwd=self.root,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=self.patience_s,
            check=False,
        )
        done = Done(process.returncode, process.stdout, process.stderr, time.monotonic() - begun)
        assert done.code == code, f"{command}: exit code {done.code}, not {code}\n{done.text}"
        return done

    # --- what there is --------------------------------------------------------------

    @property
    def profile(self) -> Profile:
        """How the user reaches the pool."""
        return Profile.load(self.home, self.stack, env={})

    def pool(self) -> PoolClient:
        """The pool API with the user's token; use it as a context manager."""
        return PoolClient.of(self.profile)

    @contextmanager
    def scheduler(self) -> Iterator[httpx.Client]:
        """The scheduler's own API with the pool service's certificate and the user's token."""
        config = json.loads((self.own.pool / "service.json").read_text())["scheduler"]
        trusted = ssl.create_default_context(cafile=config["ca_file"])
        trusted.load_cert_chain(config["cert_file"], config["key_file"])
        with httpx.Client(
            base_url=config["addresses"][0],
            verify=trusted,
            trust_env=False,
            timeout=90,
            headers={"X-Nomad-Token": self.profile.token},
        ) as client:
            yield client

    def names(self, count: int, group: str = GROUP) -> list[str]:
        """The names of a group's first nodes."""
        return [f"{self.stack}-{SITE}-{group}-{index}" for index in range(count)]

    def agents(self) -> dict[str, psutil.Process]:
        """The process of every agent that runs, the server's too, by node name."""
        found = {}
        for folder in sorted(self.own.nodes.glob("*/")):
            for process in processes.find(folder / "agent.json"):
                found[folder.name] = process
        return found

    def workers(self) -> dict[str, int]:
        """The process id of every work node's agent."""
        return {name: p.pid for name, p in self.agents().items() if "-server" not in name}

    def ready(self) -> list[str]:
        """The nodes that the pool says are ready."""
        with self.pool() as pool:
            return [node.name for node in pool.nodes() if node.status == "ready"]

    def registered(self) -> dict[str, str]:
        """Every node that the scheduler knows, with its status."""
        with self.scheduler() as scheduler:
            return {node["Name"]: node["Status"] for node in scheduler.get("/v1/nodes").json()}

    def locked(self) -> bool:
        """Whether somebody holds Pulumi's lock on the stack, dead or alive."""
        return any((self.home.backend / ".pulumi" / "locks").glob("**/*.json"))

    # --- the end --------------------------------------------------------------------

    def left(self) -> list[str]:
        """What is left of the data centre; empty after a destroy.

        Processes and the groups of them, mounts, files, and folders with nothing in them.
        """
        home = self.home.data
        paths = [path for path in home.glob("**/*") if path.parent != self._meta or path.is_dir()]
        return [
            *(f"process {p.pid}: {' '.join(p.cmdline())}" for p in processes_of(home)),
            *(f"control group {group}" for group in cgroups_of(self.work)),
            *(f"mount {mount}" for mount in mounts_below(home)),
            *(f"file {path}" for path in paths if not path.is_dir()),
            *(f"folder {path}" for path in paths if path.is_dir() and not any(path.iterdir())),
        ]

    def left_by_pulumi(self) -> list[str]:
        """The same after plain ``pulumi``, which leaves what ``vdc env`` has made.

        That is the stack's place in the backend, its passphrase, and whose it is.
        """
        kept = (self.own.passphrase, self.own.project, f"{self.home.backend}/")
        lines = tuple(f"{sort} {path}" for sort in ("file", "folder") for path in kept)
        return [line for line in self.left() if not line.startswith(lines)]

    def _see_work(self) -> None:
        """Remembers the work of now, which names its control groups when its folders are gone."""
        self.work.update(path.name for path in self.own.nodes.glob("*/data/alloc/*"))

    @cached_property
    def _meta(self) -> Path:
        """Holds what Pulumi keeps of a backend without stacks: its format."""
        return self.home.backend / ".pulumi"

    def clear(self) -> None:
        """Ends and removes everything, whatever state it is in; for the end of a test.

        Nothing of the product is used for it: what that leaves is looked at before.
        """
        self._see_work()
        ended = processes_of(self.base)
        for process in ended:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(ended, 10)
        for group in cgroups_of(self.work):
            with suppress(OSError):
                group.rmdir()
        processes.remove_tree(self.base)


@contextmanager
def checkout(stack: str, cache: Path | None = None, **options: Any) -> Iterator[Checkout]:
    """A fresh checkout and home; nothing of it is left after the block.

    Args:
        stack: Name of its one stack.
        cache: ``VDC_CACHE``, when it is not to be the user's own.
        options: Other fields of :class:`Checkout`.
    """
    # Not pytest's folder: that one is closed to other users, and its path is too long for the
    # sockets that an agent makes below it.
    base = Path(tempfile.mkdtemp(prefix="vdc-", dir="/tmp"))
    base.chmod(0o755)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
    environment = {
        **kept,
        "VDC_HOME": str(base / "home"),
        "VDC_STACK": stack,
        "PULUMI_HOME": str(base / "pulumi"),
        **({"VDC_CACHE": str(cache)} if cache else {}),
    }
    made = Checkout(base, stack, environment, **options)
    (made.root / "stacks").mkdir(parents=True)
    shutil.copy(REPOSITORY / "Pulumi.yaml", made.root)
    shutil.copy(REPOSITORY / "stacks" / "__main__.py", made.root / "stacks")
    (made.root / ".venv").symlink_to(made.scripts.parent)
    made.declare()
    try:
        yield made
    finally:
        made.clear()
