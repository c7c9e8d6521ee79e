"""Beat knows every app's sweeps, and each of them exists."""

from bourse.celery import APPS, app, merge_schedules


def test_every_scheduled_task_exists() -> None:
    app.loader.import_default_modules()
    app.finalize()
    merge_schedules(app)

    schedule = app.conf.beat_schedule
    assert {"poll_prices", "watch_deposits"} <= {
        e["task"].split(".")[-1] for e in schedule.values()
    }
    for name, entry in schedule.items():
        assert entry["task"] in app.tasks, name
        assert entry["schedule"] > 0
        assert entry["options"]["expires"] > 0


def test_tasks_are_named_after_their_app() -> None:
    app.loader.import_default_modules()
    ours = [name for name in app.tasks if not name.startswith("celery.")]
    assert len(ours) > 5
    assert all(name.split(".")[0] in APPS for name in ours)
