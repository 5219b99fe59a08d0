"""What other people's checks say of everything in infra/. Each takes seconds to start, so each is started once."""

from __future__ import annotations

import json
import subprocess

from support.infra import MEMBER, ROOT, TEMPLATE, tool


def test_cfn_lint_finds_nothing_in_any_partition() -> None:
    regions = ["us-east-1", "ap-northeast-1", "cn-north-1", "us-gov-west-1"]
    command = [tool("cfn-lint"), "-r", *regions, "--", TEMPLATE, MEMBER]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.stdout + done.stderr


def test_checkov_finds_nothing() -> None:
    command = [tool("checkov"), "-d", ROOT / "infra", "--framework", "cloudformation", "terraform"]
    command += ["--skip-path", "examples", "--skip-download", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    reports = {report["check_type"]: report for report in json.loads(done.stdout)}
    failed = [one for report in reports.values() for one in report["results"]["failed_checks"]]
    assert [f"{one['check_id']} {one['resource']}" for one in failed] == []
    assert [report["summary"]["parsing_errors"] for report in reports.values()] == [0, 0]
    looked_at = {one["file_path"] for one in reports["cloudformation"]["results"]["passed_checks"]}
    assert looked_at == {"/template.yaml", "/member.yaml"}
    assert reports["cloudformation"]["summary"]["passed"] > 25
    assert reports["terraform"]["summary"]["passed"] > 50
