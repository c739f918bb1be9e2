"""Who tells the user that packages are missing, and when: called by whoever runs the cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs

from callboard.actors.packages.missing import is_importable, missing_from_error, missing_imports
from callboard.actors.packages.ports import Notify
from callboard.actors.packages.state import PackagesState
from callboard.messages.commands import InstallPackagesCommand
from callboard.messages.notifications import MissingPackageAlertNotification


@attrs.frozen
class MissingPackages:
    """Turns what a run raised into an alert, or into a command for a manager that asks nobody.

    ``isolated``: installing disturbs nobody, see `is_isolated`. ``notify`` publishes, ``post`` posts
    a command; both must be callable from where the methods are called: any thread, one at a time.
    Reads directories.
    """

    state: PackagesState
    isolated: bool
    notify: Notify
    post: Callable[[InstallPackagesCommand], object]
    importable: Callable[[str], bool] = is_importable
    imported: Callable[[frozenset[str]], object] | None = None
    """Told of modules that cells newly import, where somebody keeps a list of them."""

    def after_run(self, errors: Iterable[BaseException], modules: Iterable[str]) -> None:
        """Report what is missing at the end of a run.

        ``errors`` are what cells and formatters raised, ``modules`` what all registered cells
        import. Nothing is said unless an error is an import error and something is left to report.
        """
        told = [
            missing_from_error(error, importable=self.importable)
            for error in errors
            if is_import_error(error)
        ]
        if not told:
            return
        missing = frozenset().union(*told, missing_imports(modules, importable=self.importable))
        packages = self.state.packages_for(missing)
        if not packages:
            return
        manager = self.state.manager
        if manager.auto_installs:
            versions = dict.fromkeys(packages, "")
            self.post(InstallPackagesCommand(manager=manager.name, versions=versions))
        else:
            self._alert(packages)

    def after_change(self, before: Iterable[str], after: Iterable[str]) -> None:
        """Report again after cells changed, if that made the set of missing packages smaller.

        ``before`` and ``after`` are the modules all registered cells import. Looks nothing up
        unless an import went away.
        """
        earlier, modules = frozenset(before), frozenset(after)
        new = modules - earlier
        if new and self.imported is not None:
            self.imported(new)
        gone = earlier - modules
        if not gone:
            return
        lost = self.state.packages_for(missing_imports(gone, importable=self.importable))
        if not lost:
            return
        left = self.state.packages_for(missing_imports(modules, importable=self.importable))
        if not set(lost) <= set(left):
            self._alert(left)

    def _alert(self, packages: list[str]) -> None:
        self.notify(MissingPackageAlertNotification(packages=packages, isolated=self.isolated))


def is_import_error(error: BaseException) -> bool:
    """Tell whether an error is, holds or was declared to be caused by an import error."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        if isinstance(link, ImportError):
            return True
        if isinstance(link, BaseExceptionGroup):
            return any(map(is_import_error, link.exceptions))
        seen.add(id(link))
        link = link.__cause__
    return False
