"""One identity's logins that take long (here by a start-up option of its own) hold up nobody else's."""

import signal
import threading
import time

import psycopg
import pytest

from harness.service import Service

pytestmark = pytest.mark.alone     # needs the processors for itself


@pytest.fixture
def service(sallyport, pg, pki, secret):
    it = Service(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}",
                 allow="[{user: root}, {user: postgres}]").start()
    yield it
    it.stop()


class Slow:
    """Clients of root's that come again and again, each time with a profile that the pool has not seen. Their logins
    last longer than the broker waits for one."""

    def __init__(self, service, clients):
        self.service = service
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(clients)]

    def run(self, number):
        attempt = 0
        while not self.over.is_set():
            attempt += 1
            options = f"-c post_auth_delay=20 -c work_mem={1000 + number * 1000 + attempt}kB"
            try:
                self.service.psycopg(options=options, connect_timeout=16).close()
            except psycopg.Error:
                pass

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        time.sleep(1)
        return self

    def __exit__(self, *_):
        self.over.set()
        self.service.run.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        self.service.stop()  # the second signal: at once, for those that wait too
        for thread in self.threads:
            thread.join()


def test_another_identity_logs_in_meanwhile(service):
    with Slow(service, clients=20):
        started = time.monotonic()
        for number in range(5):
            assert service.psql(f"SELECT {number}", account="postgres").stdout == f"{number}\n"
        took = time.monotonic() - started
        assert took < 5, f"five connections took {took:.1f} s"
