"""A Django project of one file. Steps are named on the command line; each prints "STEP ok", or what Django was told.
The settings are those of docs/frameworks.md."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "matrix"))
import django                                           # noqa: E402
import steps as report                                  # noqa: E402
from django.conf import settings                        # noqa: E402

settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "app",
            "USER": "app",
            "HOST": os.environ["PGHOST"],               # the directory of the socket
            "PORT": os.environ["PGPORT"],
            "CONN_MAX_AGE": None,
        }
    },
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"],
    USE_TZ=True, TIME_ZONE="Europe/Vienna", DEFAULT_AUTO_FIELD="django.db.models.BigAutoField")
django.setup()

from concurrent.futures import ThreadPoolExecutor       # noqa: E402
from django.contrib.auth.models import Group, User      # noqa: E402
from django.core.management import call_command         # noqa: E402
from django.db import IntegrityError, connection, transaction   # noqa: E402
from django.db.models import Count                      # noqa: E402


def migrate():
    call_command("migrate", verbosity=0)


def crud():
    staff = Group.objects.create(name="staff")
    for k in range(50):
        User.objects.create(username=f"user{k}").groups.add(staff)
    User.objects.filter(username="user0").update(first_name="Zero")
    assert User.objects.get(first_name="Zero").username == "user0"
    User.objects.get(username="user1").delete()
    assert Group.objects.annotate(n=Count("user")).get(name="staff").n == 49
    assert User.objects.select_related().filter(groups__name="staff").count() == 49


def savepoint():
    with transaction.atomic():
        User.objects.create(username="kept")
        try:
            with transaction.atomic():
                User.objects.create(username="kept")
        except IntegrityError:
            pass
        assert User.objects.select_for_update().get(username="kept")
    assert User.objects.filter(username="kept").exists()


def pool():
    """Four threads: each has a connection of its own."""
    def work(number):
        for k in range(50):
            with transaction.atomic():
                user = User.objects.create(username=f"thread{number}-{k}")
                assert User.objects.get(pk=user.pk).username == f"thread{number}-{k}"
        connection.close()
        return number
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(work, range(4))) == [0, 1, 2, 3]
    assert User.objects.filter(username__startswith="thread").count() == 200


def stream():
    """In a transaction: a cursor that ends with it."""
    with transaction.atomic():
        assert sum(1 for _ in User.objects.order_by("pk").iterator(chunk_size=20)) >= 200


def stream_outside():
    """Outside: Django makes it WITH HOLD."""
    assert sum(1 for _ in User.objects.order_by("pk").iterator(chunk_size=20)) >= 200


def timezone():
    with connection.cursor() as cursor:
        cursor.execute("SHOW TimeZone")
        assert cursor.fetchone()[0] == "UTC"


report.run([(name, globals()[name]) for name in sys.argv[1:]])
