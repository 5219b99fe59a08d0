"""Which trails take in RunTask, by their selectors."""

from __future__ import annotations

from typing import Any

import pytest

from retry_run_task.commands.shared.trails import records_run_task

MANAGEMENT = {"Field": "eventCategory", "Equals": ["Management"]}


def basic(**members: Any) -> dict[str, Any]:
    return {"EventSelectors": [members]}


def advanced(*fields: dict[str, Any]) -> dict[str, Any]:
    return {"AdvancedEventSelectors": [{"FieldSelectors": list(fields)}]}


@pytest.mark.parametrize(
    ("selectors", "expected"),
    [
        # No selectors, or empty ones: every management event.
        ({}, True),
        ({"EventSelectors": [], "AdvancedEventSelectors": []}, True),
        # Event selectors: https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_EventSelector.html
        (basic(ReadWriteType="All", IncludeManagementEvents=True), True),
        (basic(ReadWriteType="WriteOnly", IncludeManagementEvents=True), True),
        (basic(), True),
        (basic(ReadWriteType="ReadOnly", IncludeManagementEvents=True), False),
        (basic(ReadWriteType="All", IncludeManagementEvents=False), False),
        (basic(ExcludeManagementEventSources=["kms.amazonaws.com", "rdsdata.amazonaws.com"]), True),
        (basic(ExcludeManagementEventSources=["ecs.amazonaws.com"]), False),
        ({"EventSelectors": [{"ReadWriteType": "ReadOnly"}, {"ReadWriteType": "WriteOnly"}]}, True),
        # Advanced ones: https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_AdvancedFieldSelector.html
        (advanced(MANAGEMENT), True),
        (advanced({"Field": "eventCategory", "Equals": ["Data"]}), False),
        (advanced({"Field": "eventCategory", "Equals": ["NetworkActivity", "Management"]}), True),
        (advanced(MANAGEMENT, {"Field": "readOnly", "Equals": ["false"]}), True),
        (advanced(MANAGEMENT, {"Field": "readOnly", "Equals": ["true"]}), False),
        (advanced(MANAGEMENT, {"Field": "eventSource", "NotEquals": ["kms.amazonaws.com"]}), True),
        (advanced(MANAGEMENT, {"Field": "eventSource", "NotEquals": ["ecs.amazonaws.com"]}), False),
        (advanced(MANAGEMENT, {"Field": "eventSource", "Equals": ["ecs.amazonaws.com"]}), True),
        (advanced(MANAGEMENT, {"Field": "eventName", "StartsWith": ["Run"]}), True),
        (advanced(MANAGEMENT, {"Field": "eventName", "StartsWith": ["Create"]}), False),
        (advanced(MANAGEMENT, {"Field": "eventName", "NotEndsWith": ["Task"]}), False),
        (advanced(MANAGEMENT, {"Field": "sessionCredentialFromConsole", "Equals": ["true"]}), False),
        (advanced(MANAGEMENT, {"Field": "sessionCredentialFromConsole", "NotEquals": ["true"]}), True),
        (
            {
                "AdvancedEventSelectors": [
                    {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}]},
                    {"FieldSelectors": [MANAGEMENT]},
                ]
            },
            True,
        ),
    ],
)
def test_a_trail_takes_in_run_task_if_one_of_its_selectors_does(
    selectors: dict[str, Any], expected: bool
) -> None:
    assert records_run_task(selectors) is expected
