"""``jupyter rlm store``: what is kept in the store, and pruning it, also while servers use it."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from jupyter_core.application import JupyterApp, base_aliases, base_flags
from traitlets import Bool, TraitError
from traitlets.config.loader import ConfigFileNotFound

from rlm_jupyter.server.extension import RLMExtension
from rlm_jupyter.server.store import Store, StoreError

from .command import Command, Group, tell

__all__ = ["PruneApp", "StatsApp", "StoreApp"]

_SERVER_CONFIG = "jupyter_server_config"
_EXTENSION_CONFIG = f"jupyter_{RLMExtension.name}_config"


class _StoreCommand(Command):
    """A command that opens the store: the one that the server's configuration names, unless ``--store`` does."""

    classes = [RLMExtension]
    aliases = {**base_aliases, "store": "RLMExtension.store_path"}
    config_file_name = _SERVER_CONFIG

    def load_config_file(self, suppress_errors: bool = True) -> None:  # type: ignore[override]
        """Load what the server loads, in its order."""
        try:
            super(JupyterApp, self).load_config_file(_EXTENSION_CONFIG, path=self.config_file_paths)
        except ConfigFileNotFound:
            self.log.debug("There is no %s.", _EXTENSION_CONFIG)
        super().load_config_file(suppress_errors)

    def work(self) -> None:
        """Open the store, and say what came of what is done with it."""
        try:
            bounds = RLMExtension(config=self.config)
        except TraitError as error:
            self.failed(error)
        path = Path(bounds.store_path).expanduser()
        if not path.is_file():
            self.failed(
                f"There is no store at {path}: the server makes it with the first run. --store=... names another file."
            )
        store = Store(
            path,
            max_runs=bounds.max_runs,
            max_days=bounds.max_days,
            max_bytes=bounds.max_bytes,
            begins_anew=False,
        )
        try:
            tell(f"{self.told(store)}\n")
        except StoreError as error:
            self.failed(error)
        finally:
            store.close()

    def told(self, store: Store) -> str:
        """Return what there is to say; raises ``StoreError``."""
        raise NotImplementedError


class StatsApp(_StoreCommand):
    """Says where the store is and what it holds."""

    name = "jupyter-rlm-store-stats"
    description = "Say where the store is, how large it is, and how much of what it holds."
    examples = "jupyter rlm store stats --json"
    as_json = Bool(False, config=True, help="Whether to say it as JSON; times are seconds since the epoch.")
    flags = {**base_flags, "json": ({"StatsApp": {"as_json": True}}, "Say it as JSON.")}

    def told(self, store: Store) -> str:
        """Return the figures, one a line, or as JSON."""
        stats = {"path": str(store.path), **store.stats()}
        if self.as_json:
            return json.dumps(stats, indent=2)
        lines = {
            "store": stats["path"],
            "bytes": f"{stats['bytes']:,}",
            **{name: f"{stats[name]:,}" for name in ("notebooks", "sessions", "runs", "running", "spans", "texts")},
            **{name: _time(stats[name]) for name in ("oldest", "newest")},
            "journal": stats["journal"],
        }
        return "\n".join(f"{name + ':':<11}{value}" for name, value in lines.items())


class PruneApp(_StoreCommand):
    """Deletes old runs until the store is within bounds."""

    name = "jupyter-rlm-store-prune"
    description = (
        "Delete runs that have ended until the store is within its bounds: those of the server's configuration, unless "
        "they are given here. The oldest runs of the notebook that holds most go first. A run that is under way is "
        "never deleted, nor are the last five of a notebook, unless they are older than max-days."
    )
    examples = "jupyter rlm store prune --max-days=30 --dry-run"
    dry_run = Bool(False, config=True, help="Whether only to say what would be deleted.")
    flags = {**base_flags, "dry-run": ({"PruneApp": {"dry_run": True}}, "Only say what would be deleted.")}
    aliases = {
        **_StoreCommand.aliases,
        "max-runs": "RLMExtension.max_runs",
        "max-days": "RLMExtension.max_days",
        "max-bytes": "RLMExtension.max_bytes",
    }

    def told(self, store: Store) -> str:
        """Prune, and return what was deleted, or would be."""
        pruned = store.prune(dry_run=self.dry_run)
        size = f"{pruned.runs:,} {'run' if pruned.runs == 1 else 'runs'}, {pruned.bytes:,} bytes"
        return f"Would delete about: {size}" if self.dry_run else f"Deleted: {size}"


class StoreApp(Group):
    """The commands for the store."""

    name = "jupyter-rlm-store"
    description = "Say what is kept of your notebooks' sessions, and delete what is too old or too much."
    subcommands: dict[str, Any] = {
        "stats": (StatsApp, StatsApp.description),
        "prune": (PruneApp, PruneApp.description),
    }


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    try:
        return datetime.fromtimestamp(seconds).astimezone().isoformat(" ", "seconds")
    except (OverflowError, OSError, ValueError):  # a kernel may say any time
        return f"{seconds:g} s after 1970"
