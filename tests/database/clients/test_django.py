"""What Django's calls make of a row that is kept out, as ``docs/explanation/limits.md`` lists it."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Iterator

import django
import psycopg
import pytest
from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, connections, models, transaction

DAY = dt.date(2026, 2, 1)

if not settings.configured:
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "none"}},
        INSTALLED_APPS=[],
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=True,
    )
    django.setup()


class Person(models.Model):  # noqa: DJ008 - nobody prints it
    day = models.DateField(default=DAY)
    age = models.IntegerField(null=True)
    score = models.FloatField(null=True, default=1.0)
    name = models.TextField(default="a")

    class Meta:
        app_label = "features"
        db_table = '"features"."stats"'
        managed = False


@pytest.fixture(autouse=True)
def database(stats) -> Iterator[None]:
    assert apps.ready
    told = psycopg.conninfo.conninfo_to_dict(stats.dsn)
    connections["default"].close()
    connections["default"].settings_dict.update(
        NAME=told["dbname"],
        HOST=told.get("host", ""),
        PORT=str(told.get("port", "")),
        USER=told.get("user", ""),
        PASSWORD=told.get("password", ""),
    )
    yield
    connections["default"].close()


def people(*ages: int, first: int | None = None) -> list[Person]:
    return [Person(id=None if first is None else first + n, age=age) for n, age in enumerate(ages)]


def test_bulk_create(stats):
    with pytest.raises(AssertionError):
        Person.objects.bulk_create(people(30, 300, 40))
    assert (stats.stored(), stats.held()) == ([], 0)


@pytest.mark.parametrize("stats", ["stream"], indirect=True)  # the server's part is the same in both
def test_bulk_create_without_assertions(stats):
    """Under ``python -O`` the objects get keys of other rows, without an error."""
    text = f"""
import sys; sys.path.insert(0, {str(__file__.rpartition("/")[0])!r})
import test_django as t
from django.db import connections
told = t.psycopg.conninfo.conninfo_to_dict({stats.dsn!r})
connections["default"].settings_dict.update(NAME=told["dbname"], HOST=told.get("host", ""), PORT=str(told.get("port", "")),
                                            USER=told.get("user", ""), PASSWORD=told.get("password", ""))
made = t.Person.objects.bulk_create(t.people(30, 300, 40))
print([(one.pk, one.age) for one in made])
"""
    done = subprocess.run([sys.executable, "-O", "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[(1, 30), (3, 300), (None, 40)]"
    assert (stats.stored(), stats.held()) == ([(1, 30), (3, 40)], 1)


def test_bulk_create_that_updates_gives_objects_the_keys_of_other_rows(stats):
    made = Person.objects.bulk_create(
        people(30, 300, 40), update_conflicts=True, unique_fields=["id"], update_fields=["age"]
    )
    assert [(one.pk, one.age) for one in made][:2] == [(1, 30), (3, 300)]
    assert (stats.ages(), stats.held()) == ([30, 40], 1)


def test_bulk_create_that_ignores_conflicts(stats):
    Person.objects.bulk_create(people(30, 300, 40), ignore_conflicts=True)
    assert (stats.ages(), stats.held()) == ([30, 40], 1)


def test_save_of_a_new_object(stats):
    with pytest.raises(TypeError, match="'NoneType' object is not iterable"):
        Person(age=300).save()
    assert (stats.stored(), stats.held()) == ([], 1)
    with pytest.raises(TypeError), transaction.atomic():
        Person(age=300).save()
    assert (stats.stored(), stats.held()) == ([], 1)


def test_save_of_an_object_that_is_stored(stats):
    one = Person(age=30)
    one.save()
    one.refresh_from_db()
    one.age = 300
    # To Django the row is gone: it inserts it anew.
    with pytest.raises(TypeError, match="'NoneType' object is not iterable"):
        one.save()
    assert stats.ages() == [30]


def test_update_of_a_query_set(stats):
    Person.objects.bulk_create(people(30, 40))
    assert Person.objects.filter(age=40).update(age=400) == 0
    assert Person.objects.filter(age=40).update(age=41) == 1
    assert (stats.ages(), stats.held()) == ([30, 41], 1)


def test_bulk_update(stats):
    made = Person.objects.bulk_create(people(30, 40))
    made[0].age, made[1].age = 31, 400
    assert Person.objects.bulk_update(made, ["age"]) == 1
    assert (stats.ages(), stats.held()) == ([31, 40], 1)


def test_get_or_create(stats):
    with pytest.raises(TypeError, match="'NoneType' object is not iterable"):
        Person.objects.get_or_create(age=300)
    assert (stats.stored(), stats.held()) == ([], 0)


def test_update_or_create(stats):
    Person(id=5, age=30).save()
    with pytest.raises(DatabaseError, match="did not affect any rows"):
        Person.objects.update_or_create(id=5, defaults={"age": 300})
    assert (stats.stored(), stats.held()) == ([(5, 30)], 0)


def test_a_repaired_value_is_what_the_object_has_when_it_is_read_again(stats):
    one = Person(age=30, score=None)
    one.save()
    assert one.score is None
    one.refresh_from_db()
    assert one.score == 0.5
    assert stats.held() == 0


def test_what_is_rejected_names_the_rule(stats):
    with pytest.raises(django.db.IntegrityError) as caught, transaction.atomic():
        Person(age=30, name="too long").save()
    cause = caught.value.__cause__
    assert isinstance(cause, psycopg.errors.CheckViolation)
    assert (cause.diag.table_name, cause.diag.column_name) == ("stats", "name")
    assert stats.stored() == []
