"""The table of permissions is whole: every part of a deployment has its grants and APIs, and each grant can be made."""

from threadmill.doctor.permissions import (
    APIS,
    DATASET,
    GRANTS,
    IDENTITIES,
    SERVICE_ACCOUNT,
    apis_of,
    grants_of,
    parts_of,
    permissions_of,
)
from threadmill.settings import Settings


def test_every_grant_names_who_where_and_how() -> None:
    for grant in GRANTS:
        assert grant.identity in IDENTITIES
        assert grant.needed_with in APIS
        assert grant.permissions
        assert all(role.startswith("roles/") for role in grant.roles)
        assert (grant.where == SERVICE_ACCOUNT) == (grant.on in IDENTITIES)


def test_the_settings_of_the_service_accounts_exist() -> None:
    for _, setting in IDENTITIES.values():
        assert not setting or setting in Settings.model_fields


def test_a_deployment_needs_only_the_parts_that_it_uses() -> None:
    assert parts_of(Settings(platform="local", root="/data")) == ()
    assert parts_of(Settings(platform="gcp", root="gs://b/r")) == ("storage", "bigquery", "dataflow", "tpu", "doctor")
    assert parts_of(Settings(platform="local", root="gs://b/r")) == ("storage", "doctor")
    assert parts_of(Settings(platform="gcp", root="gs://b/r", trainer="vertex"))[3:] == ("vertex", "doctor")


def test_grants_are_found_by_part_identity_and_place() -> None:
    grants = grants_of(("bigquery",), identity="orchestrator", where=DATASET)
    assert [grant.roles for grant in grants] == [("roles/bigquery.dataEditor",)]
    assert "bigquery.tables.updateData" in permissions_of(grants)
    assert apis_of(("tpu", "vertex")) == ("tpu.googleapis.com", "compute.googleapis.com", "aiplatform.googleapis.com")
