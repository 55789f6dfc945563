"""Every page of the dashboard in every state, on a host with some demo data."""

from __future__ import annotations

from ..hosts import Host


def add_a_year(host: Host) -> None:
    """Fill a host's database, in which nothing was sold yet."""
    arguments = ["credits", "demo-data", "--purchases", "300", "--seed", "4"]
    result = host.app.test_cli_runner().invoke(args=arguments)
    assert result.exit_code == 0, result.output


def paths(host: Host) -> dict[str, str]:
    """Name and address, below the dashboard's own."""
    (refunded, *_) = host.purchases(status="refunded")
    (waiting, *_) = host.purchases(status="review")
    (paid, *_) = host.purchases(status="completed")
    (failed, *_) = host.rows(host.credits.WebhookEvent, verdict="failed")
    (told, *_) = host.rows(host.credits.WebhookEvent, verdict="review")
    return {
        "overview": "?range=12m",
        "overview-of-nothing": "?from=2001-01-01&to=2001-01-02",
        "purchases": "/purchases?status=refunded",
        "no-purchases": "/purchases?q=nobody",
        "purchase": f"/purchases/{refunded['id']}",
        "purchase-in-review": f"/purchases/{waiting['id']}",
        "refund": f"/purchases/{paid['id']}/refund",
        "refund-confirmed": f"/purchases/{paid['id']}/refund?amount=1.00&reason=too+late",
        "refund-of-what": f"/purchases/{paid['id']}/refund?amount=much",
        "packages": "/packages",
        "package": "/packages/pro",
        "package-confirmed": "/packages/pro?price=90.00&credits=10000&is_active=no",
        "package-changed-meanwhile": "/packages/pro?price=90.00&credits=10000&is_active=yes"
        "&shown=7500+usd+10000+no",
        "package-that-showed-nothing": "/packages/pro?price=90.00&credits=10000&shown=",
        "package-of-what": "/packages/pro?price=much&credits=none",
        "reviews": "/reviews",
        "accept": f"/reviews/{waiting['id']}/accept",
        "replay": f"/events/{failed['stripe_event_id']}/replay",
        "no-replay": f"/events/{told['stripe_event_id']}/replay",
    }
