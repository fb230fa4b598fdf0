"""OpenBao away, slow or talking nonsense while sessions are live and a renewal is due: what is valid goes on being used,
what is not is refused in clear words, and when OpenBao is back all is well without a restart."""

import re
from concurrent.futures import ThreadPoolExecutor

from harness.manager_proxy import ManagerProxy
from harness.processes import wait_for

from test_openbao_faults import Dialogue


def fresh_leases(proxy):
    """How often a lease was made or renewed."""
    return sum(status == 200 and (path.endswith("sys/leases/renew") or "database/creds/" in path)
               for _, path, status in list(proxy.replies))


def while_the_lease_is_valid(kind, talk, proxy, pg):
    """The fault is there when the renewal is due, and over before the lease ends: nobody notices."""
    proxy.fault(kind)
    wait_for(lambda: proxy.asked_in_fault, "a renewal to be tried", 40)
    assert talk.ask("old") == "alive"
    assert talk.ask("new") == talk.user, "the credential that is still valid"
    before = fresh_leases(proxy)
    proxy.mend()
    wait_for(lambda: fresh_leases(proxy) > before, "the lease to be renewed or replaced when OpenBao is back")
    assert talk.ask("old") == "alive" and talk.ask("new").startswith("v-")


def beyond_the_leases_end(kind, talk, proxy, pg):
    proxy.fault(kind)
    wait_for(lambda: not pg.sql("SELECT 1 FROM pg_roles WHERE rolname = %s", talk.user), "the lease to end", 40)
    refused = talk.ask("new")
    assert refused.startswith("error") and f"localhost:{proxy.port}" in refused, refused
    assert re.search("refused" if kind == "down" else "JSON", refused), refused
    proxy.mend()
    wait_for(lambda: talk.ask("new").startswith("v-"), "new sessions when OpenBao is back", 40)


CASES = [(while_the_lease_is_valid, "reset", "24s"), (while_the_lease_is_valid, "slow", "24s"),
         (while_the_lease_is_valid, "garbage", "24s"), (beyond_the_leases_end, "down", "3s"),
         (beyond_the_leases_end, "garbage", "3s")]


def test_faults_while_sessions_are_live(sallyport, bao, pg, pki, vault_url):
    """All at once, each with a proxy and a run of its own: most of it is waiting for leases to grow old."""
    def play(case):
        act, kind, ttl = case
        role = f"{act.__name__.split('_')[0]}-{kind}"
        bao.role(role, ttl=ttl, max_ttl="1h")
        with ManagerProxy(bao, pki) as proxy:
            talk = Dialogue(sallyport, vault_url(role), {**proxy.environment, "VAULT_TOKEN": bao.token()})
            try:
                act(kind, talk, proxy, pg)
            finally:
                ended = talk.end()
            ended.ok()
    with ThreadPoolExecutor(len(CASES)) as pool:
        played = [(case, pool.submit(play, case)) for case in CASES]
    wrong = [f"{act.__name__} {kind}: {future.exception()!r}" for (act, kind, _), future in played if future.exception()]
    assert not wrong, "\n".join(wrong)
