"""Names are one line, whatever way they come in."""

import pytest


@pytest.mark.parametrize("name", ["two\nlines", "bell\x07", "a\u2028b"])
def test_names_are_one_line(carol_client, tom_client, new_campaign, db, name):
    campaign = new_campaign("ranking")
    policy = tom_client.post("/api/policy-versions", {"name": "p", "path": "gpt2"}, format="json").json()
    asked = [
        (carol_client.post, "/api/campaigns", {"name": name, "kind": "ranking"}),
        (carol_client.patch, f"/api/campaigns/{campaign.pk}", {"name": name}),
        (tom_client.post, "/api/policy-versions", {"name": name, "path": "gpt2"}),
        (
            tom_client.post,
            "/api/schedules",
            {"name": name, "campaigns": [campaign.pk], "base_policy": policy["id"], "every_hours": 1},
        ),
    ]
    for send, address, body in asked:
        answer = send(address, body, format="json")
        assert answer.status_code == 400, address
        assert answer.json()["errors"][0]["field"] == "name", address
