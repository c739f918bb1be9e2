"""What a command comes to, given what happened before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from callboard.actors.packages.managers import MANAGERS
from callboard.actors.packages.plan import modules_unblocked, plan_installation
from callboard.actors.packages.requirements import Requirement
from callboard.actors.packages.state import FinalStatus, PackagesState

names = st.sampled_from(["a", "b", "A", "c_d", "c-d", "yaml", "PyYAML"])
requirements = st.builds(
    Requirement,
    name=names,
    specifier=st.sampled_from(["", "==1.0"]),
    extras=st.sampled_from([(), ("x",)]),
)
statuses: st.SearchStrategy[FinalStatus] = st.sampled_from(["installed", "failed"])


@given(
    st.lists(requirements, max_size=5, unique_by=lambda each: each.key),
    st.frozensets(st.sampled_from(["a", "b", "c_d", "yaml", "e"])),
    st.lists(st.tuples(requirements, statuses), max_size=4),
)
def test_every_package_asked_for_or_missing_is_accounted_for_once(
    requested: list[Requirement],
    missing: frozenset[str],
    history: list[tuple[Requirement, FinalStatus]],
) -> None:
    state = PackagesState(MANAGERS["pip"])
    for requirement, status in history:
        state.record(requirement, status)
    steps = plan_installation(requested, missing, state)
    keys = [step.requirement.key for step in steps]
    assert len(set(keys)) == len(keys)
    assert [step.label for step in steps] == sorted(step.label for step in steps)
    asked = {requirement.key for requirement in requested}
    lacking = {{"yaml": "pyyaml", "c_d": "c-d"}.get(module, module) for module in missing}
    assert asked <= set(keys) <= asked | lacking
    # Merely missing: only what was never attempted.
    attempted = {requirement.key for requirement, _ in history}
    assert set(keys) - asked == lacking - asked - attempted
    for step in steps:
        if step.requirement.key in asked:
            assert step.requirement in requested
        if step.known is not None:
            last = state.attempted(step.requirement.name)
            assert last is not None
            assert last.status == step.known == "installed"
            assert step.requirement.key not in lacking


def test_the_last_attempt_counts_whatever_the_spelling() -> None:
    state = PackagesState(MANAGERS["pip"])
    state.record(Requirement("Foo_Bar"), "failed")
    before = state.attempts
    state.record(Requirement("foo-bar"), "installed")
    attempt = state.attempted("FOO.BAR[x]")
    assert attempt is not None
    assert attempt.status == "installed"
    # Who looked before still sees what was then.
    assert before["foo-bar"].status == "failed"


def test_installed_packages_unblock_their_modules_and_the_namespaces_above_them() -> None:
    found = modules_unblocked(
        [Requirement("google-cloud-storage"), Requirement("pyyaml")],
        ["google.cloud.storage", "yaml", "other"],
    )
    assert {"google", "google.cloud", "google.cloud.storage", "yaml"} <= found
    assert "other" not in found
