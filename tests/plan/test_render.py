"""A plan as people and programs see it."""

from __future__ import annotations

import io
import json
from pathlib import Path

from rich.console import Console

from vdc.declaration import load
from vdc.plan import plan, render

FULL = plan(load(Path(__file__).parents[1] / "cases" / "declaration.ok.full.yaml"))


def test_the_table_has_a_row_per_group_and_a_total():
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(render.table(FULL))
    text = console.export_text()
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "here servers control 3 - - - 0.015" in rows
    assert "here workers work 3 6 12 GiB 30 GiB 0.06" in rows
    assert "there big work 2 16 3 GiB 1.8 TiB 2" in rows
    assert "Total 8 22 15 GiB 1.8 TiB 2.075" in rows
    assert "Without a price, and so not in the total: here/spare." in rows
    assert "Apps: web (hello), pi (spark)." in rows


def test_the_way_out_is_a_row_and_room_to_grow_is_shown():
    cloud = plan(load(Path(__file__).parents[1] / "cases" / "declaration.ok.aws.yaml"))
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(render.table(cloud))
    rows = [" ".join(line.split()) for line in console.export_text().splitlines()]
    assert "frankfurt workers work 2 to 10 4 16 GiB 80 GiB 0.12" in rows
    assert "frankfurt way out - - - - 0.052" in rows
    assert any(row.startswith("Total") and row.endswith("0.172") for row in rows)
    assert any("the ID that their cloud gives them" in row for row in rows)
    document = render.document(cloud)
    assert document["egress"] == [{"site": "frankfurt", "price_per_hour": "0.052"}]
    assert document["total"]["price_per_hour"] == "0.172"


def test_the_summary_is_half_a_line():
    assert render.summary(FULL) == (
        "8 machines: 3 servers, 5 workers; 22 cores, 15 GiB memory, 1.8 TiB disk; 2.075 EUR/hour"
    )


def test_the_document_is_json_with_exact_money():
    document = json.loads(json.dumps(render.document(FULL)))
    assert document["total"]["price_per_hour"] == "2.075"
    assert document["total"]["unpriced"] == ["here/spare"]
    assert document["total"]["machines"] == sum(group["machines"] for group in document["groups"])
