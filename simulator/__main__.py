"""`python -m simulator`: starts the stand-in cloud and stays until it is told to stop."""

import argparse
import asyncio
import importlib
import json
import signal
import sys
import tempfile
from contextlib import ExitStack, closing
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from simulator import population, scenarios, seed, state
from simulator.app import PortBusyError, Simulator, write_atomically
from simulator.lifetime import follow_parent
from simulator.world import World

_UNUSABLE = 2
_SDKS = ("azure-identity", "azure-keyvault-secrets", "azure-storage-blob")


def main(arguments: list[str] | None = None) -> int:
    """Run the simulator; return the exit code."""
    options = _options(arguments)
    if options.selfcheck:
        return _selfcheck()
    with ExitStack() as stack:
        temporary = stack.enter_context(tempfile.TemporaryDirectory(prefix="simulator-"))
        try:
            kept = state.read(options.state) if options.state else None
            former = kept.ports if kept else {}
            directory = options.state_dir or Path(temporary)
            simulator = stack.enter_context(closing(Simulator.prepare(options.host, options.port, directory, former)))
            _fill(simulator.world, options, kept)
        except (PortBusyError, OSError, ValueError) as error:
            sys.stderr.write(f"simulator: {error}\n")
            return _UNUSABLE
        asyncio.run(_serve(simulator, options.ready_file, options.state))
    return 0


def _fill(world: World, options: argparse.Namespace, kept: state.Kept | None) -> None:
    """Bring in what was kept, else the population, and what the files say."""
    if kept:
        state.restore(world, kept)
    if options.seed:
        seed.load(world, _read(options.seed), only_new=kept is not None)
    if not kept:
        population.populate(world, options.environments)
    for path in sorted(scenarios.SAMPLES.glob("*.json")):
        world.scenarios.learn_file(path)
    if options.scenario:
        world.scenarios.switch_to(world.scenarios.learn_file(options.scenario).name)


def _selfcheck() -> int:
    """Import the SDKs only now: they are development dependencies and take their time."""
    missing = [name for name in _SDKS if not _is_installed(name)]
    if missing:
        sys.stderr.write(f"simulator: --selfcheck needs {' and '.join(missing)}; `make install` installs them\n")
        return _UNUSABLE
    return int(importlib.import_module("simulator.selfcheck").run())


def _is_installed(package: str) -> bool:
    try:
        return bool(distribution(package))
    except PackageNotFoundError:
        return False


def _read(path: Path) -> object:
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    parser.add_argument("--host", default="localhost", help="name in the certificate and in every address")
    parser.add_argument(
        "--port", type=int, help="first port; the services take the following ones (default: free ports)"
    )
    parser.add_argument("--state-dir", type=Path, help="where ca.pem is written (default: a temporary folder)")
    parser.add_argument(
        "--state", type=Path, help="file that keeps the world from start to start; a seed then only adds what is new"
    )
    parser.add_argument("--seed", type=Path, help="JSON file with tenants, timing and faults")
    parser.add_argument(
        "--scenario", type=Path, help="JSON file with a scenario to start with, as in samples/scenarios"
    )
    parser.add_argument("--ready-file", type=Path, help="JSON file written when every port answers")
    parser.add_argument(
        "--environments", type=int, default=0, help="environments to spread over the tenants of the seed"
    )
    parser.add_argument("--selfcheck", action="store_true", help="drive a simulator with Microsoft's SDKs, and end")
    return parser.parse_args(arguments)


async def _serve(simulator: Simulator, ready_file: Path | None, state_file: Path | None) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopped.set)
    watcher = follow_parent(stopped.set)
    async with state.kept_in(state_file, simulator.world, simulator.ports):
        await simulator.start()
        document = simulator.ready_document()
        sys.stdout.write(f"{document['control']}\n")
        sys.stdout.flush()
        if ready_file:
            write_atomically(ready_file, document)
        await stopped.wait()
        if watcher:
            watcher.cancel()
        if ready_file:
            ready_file.unlink(missing_ok=True)
        await simulator.stop()


if __name__ == "__main__":
    sys.exit(main())
