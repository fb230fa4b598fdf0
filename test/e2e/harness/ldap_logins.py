"""Users of the test server whose password an LDAP server judges: tokens of a cloud."""

import contextlib
import os

from .processes import wait_for


def _write_hba(pg, text):
    with open(os.path.join(pg.data, "pg_hba.conf"), "w", encoding="ascii") as file:
        file.write(text)
    loaded = pg.sql("SELECT pg_conf_load_time()")
    pg.reload()
    wait_for(lambda: pg.sql("SELECT pg_conf_load_time()") != loaded, "PostgreSQL to read pg_hba.conf")


@contextlib.contextmanager
def judged_by(ldap, pg, *users):
    """These users, and nobody else, are asked for while it lasts; uid=USER,dc=test is what `ldap` hears."""
    with open(os.path.join(pg.data, "pg_hba.conf"), encoding="ascii") as file:
        before = file.read()
    lines = (f'hostssl all "{user}" 0.0.0.0/0 ldap ldapserver=127.0.0.1 ldapport={ldap.port} ldapprefix="uid=" ldapsuffix=",dc=test"\n'
             for user in users)
    _write_hba(pg, "".join(lines) + before)
    try:
        yield
    finally:
        _write_hba(pg, before)
