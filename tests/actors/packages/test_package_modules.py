"""From import names to packages, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name, is_normalized_name

from callboard.actors.packages.irregular_names import IRREGULAR_NAMES, SHARED_NAMESPACES
from callboard.actors.packages.modules import (
    distributed_name,
    module_of_import,
    modules_for_package,
    package_for_module,
)


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("cv2", "opencv-python"),
        ("sklearn", "scikit-learn"),
        ("sklearn.linear_model", "scikit-learn"),
        ("PIL", "Pillow"),
        ("PIL.Image", "Pillow"),
        ("yaml", "PyYAML"),
        ("bs4", "beautifulsoup4"),
        ("pandas", "pandas"),
        ("typing_extensions", "typing-extensions"),
        ("pandas[parquet]", "pandas[parquet]"),
        ("google.cloud.storage", "google-cloud-storage"),
        ("google.cloud.storage.blob", "google-cloud-storage"),
        ("google.cloud.secretmanager", "google-cloud-secret-manager"),
        ("google.cloud.bigquery_storage", "google-cloud-bigquery-storage"),
        ("google.protobuf.message", "protobuf"),
        ("azure.storage.blob", "azure-storage-blob"),
        ("azure.identity", "azure-identity"),
        ("opentelemetry.trace", "opentelemetry-api"),
        ("opentelemetry.sdk.trace", "opentelemetry-sdk"),
        ("mpl_toolkits.mplot3d", "matplotlib"),
        ("mpl_toolkits.basemap", "basemap"),
        ("airflow.providers.google", "apache-airflow-providers-google"),
        ("airflow.models", "apache-airflow"),
    ],
)
def test_a_module_is_found_under_the_package_that_has_it(module: str, package: str) -> None:
    assert package_for_module(module) == package


@pytest.mark.parametrize(
    ("package", "module"),
    [
        ("opencv-python", "cv2"),
        ("Pillow", "PIL"),
        ("pillow", "PIL"),
        ("pyyaml", "yaml"),
        ("PyYAML[x]", "yaml"),
        ("attrs", "attr"),
        ("attrs", "attrs"),
        ("typing-extensions", "typing_extensions"),
        ("google-cloud-storage", "google.cloud.storage"),
        ("azure-storage-blob", "azure.storage.blob"),
        ("SQLAlchemy", "sqlalchemy"),
    ],
)
def test_a_package_is_known_to_have_its_modules(package: str, module: str) -> None:
    assert module in modules_for_package(package)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os.path", "os"),
        ("numpy.linalg.lapack", "numpy"),
        ("google.cloud.storage.blob", "google.cloud.storage"),
        ("google.cloud", "google.cloud"),
        ("google", "google"),
        ("zope.interface.verify", "zope.interface"),
    ],
)
def test_a_name_is_cut_to_what_is_distributed_as_a_whole(module: str, name: str) -> None:
    assert distributed_name(module) == name


@pytest.mark.parametrize(
    ("module", "symbol", "needed"),
    [
        ("numpy", "array", "numpy"),
        ("numpy", None, "numpy"),
        ("google.cloud", "storage", "google.cloud.storage"),
        ("google.cloud", "*", "google.cloud"),
        ("google.cloud.storage", "Client", "google.cloud.storage"),
    ],
)
def test_what_is_imported_from_a_shared_namespace_is_a_module(
    module: str, symbol: str | None, needed: str
) -> None:
    assert module_of_import(module, symbol) == needed


def test_the_table_is_large_and_holds_irregular_names_only() -> None:
    assert len(IRREGULAR_NAMES) > 400
    regular = [
        module
        for module, package in IRREGULAR_NAMES.items()
        if "." not in module and canonicalize_name(module) == canonicalize_name(package)
    ]
    assert regular == []


def test_every_entry_is_a_module_and_a_package() -> None:
    for module, package in [*IRREGULAR_NAMES.items(), *SHARED_NAMESPACES.items()]:
        assert all(part.isidentifier() for part in module.split(".")), module
        assert is_normalized_name(canonicalize_name(package)), package


@given(st.sampled_from(sorted(IRREGULAR_NAMES)))
def test_every_entry_is_found_in_both_directions(module: str) -> None:
    package = package_for_module(module)
    assert package == IRREGULAR_NAMES[module]
    assert module in modules_for_package(package)
    assert distributed_name(f"{module}.part").startswith(module.split(".")[0])
