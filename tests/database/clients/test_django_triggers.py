"""Triggers that django-pgtrigger and django-pghistory put on a guarded table: a soft delete, and a history of changes."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import own_environments
import psycopg
import pytest

from pgslo import definition
from pgslo.database import planning

PYTHON = own_environments.python("django")

pytestmark = [pytest.mark.slow, own_environments.needs("django")]

MODELS = """
import pghistory, pgtrigger
from django.db import models

@pghistory.track(pghistory.InsertEvent(), pghistory.UpdateEvent())
class Person(models.Model):
    day = models.DateField()
    age = models.IntegerField(null=True)
    active = models.BooleanField(default=True)

    class Meta:
        app_label = "shop"
        triggers = [pgtrigger.SoftDelete(name="soft_delete", field="active")]

Event = Person.pgh_event_model
"""
#: Reads lines of Python and prints what each returns, so that Django is started once.
SCRIPT = """
import json, sys
import django
from django.conf import settings
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", **json.loads(sys.argv[1])}},
    INSTALLED_APPS=["django.contrib.contenttypes", "pgtrigger", "pghistory", "shop"],
    DEFAULT_AUTO_FIELD="django.db.models.AutoField", USE_TZ=True)
django.setup()
import pgtrigger
from django.core.management import call_command
from django.db import connection
from shop.models import Event, Person

def create():
    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        editor.create_model(Person)
        editor.create_model(Event)
    pgtrigger.install()

for line in sys.stdin:
    try:
        print(json.dumps(eval(line), default=list), flush=True)
    except Exception as error:
        print(json.dumps(repr(error)), flush=True)
"""
DEFINITION = """
table: public.shop_person
owner: sam
key: [id]
writes: {writes}
batch: {{by: day}}
columns:
  age: [range: {{min: 0, max: 120, on_breach: quarantine}}]
"""


@pytest.fixture
def django(dsn: str, tmp_path):
    """A process of Django, which evaluates a line."""
    told = psycopg.conninfo.conninfo_to_dict(dsn)
    known = {
        "NAME": told["dbname"],
        "HOST": told.get("host", ""),
        "PORT": str(told.get("port", "")),
        "USER": told.get("user", ""),
        "PASSWORD": told.get("password") or "",
    }
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/__init__.py").touch()
    (tmp_path / "shop/models.py").write_text(MODELS, encoding="utf-8")
    with subprocess.Popen(
        [str(PYTHON), "-c", SCRIPT, json.dumps(known)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def ask(line: str) -> Any:
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield ask
        process.stdin.close()


@pytest.mark.parametrize("writes", ["bulk", "stream"])
def test_their_triggers_and_those_of_pgslo(django, connection, apply, writes):
    assert django("create()") is None
    apply(DEFINITION.format(writes=writes))
    assert django("Person.objects.create(day='2026-02-01', age=30).pk") == 1
    assert django("Person.objects.create(day='2026-02-01', age=40).pk") == 2
    # A row that is kept out leaves no event.
    assert (
        django("len(Person.objects.bulk_create([Person(day='2026-02-01', age=300)], ignore_conflicts=True))")
        == 1
    )
    assert connection.execute("SELECT count(*) FROM pgslo.quarantine").fetchone() == (1,)
    assert django("sorted(Event.objects.values_list('pgh_obj_id', 'age', 'pgh_label'))") == [
        [1, 30, "insert"],
        [2, 40, "insert"],
    ]
    # Neither does an update that is kept out.
    assert django("Person.objects.filter(pk=1).update(age=301)") == 0
    assert django("Person.objects.filter(pk=1).update(age=31)") == 1
    # A soft delete is an update within a trigger: the row stays, and is counted once.
    django("Person.objects.get(pk=2).delete()")
    assert connection.execute("SELECT id, age, active FROM shop_person ORDER BY id").fetchall() == [
        (1, 31, True),
        (2, 40, False),
    ]
    assert django("sorted(Event.objects.values_list('pgh_obj_id', 'age', 'active', 'pgh_label'))") == [
        [1, 30, True, "insert"],
        [1, 31, True, "update"],
        [2, 40, False, "update"],
        [2, 40, True, "insert"],
    ]
    connection.execute("SELECT count(*) FROM pgslo.close_batch('public.shop_person')")
    assert connection.execute(
        "SELECT b.name, b.rows FROM pgslo_catalog.batch b WHERE b.rows > 0"
    ).fetchall() == [("2026-02-01", 2)]
    # Nothing of theirs is in the way of a plan.
    loaded = [definition.load(DEFINITION.format(writes=writes), path="slos/example.yml")]
    assert planning.plan_definitions(connection, loaded).empty
