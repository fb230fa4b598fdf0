"""`sallyport vault plan|apply`: the database engine of a real OpenBao, set up for a real PostgreSQL."""

import contextlib
import json
import os
import re
import uuid

import psycopg
import pytest

from conftest import skip_here
from harness import canary, mariadb, postgres_versions
from harness.children import psql
from harness.manager_proxy import ManagerProxy
from harness.postgres import Postgres
from harness.processes import wait_for
from harness.sallyport import binary, reference
from harness.terminal import answer_on_a_terminal

POLICY = """
path "sys/mounts/{mount}" {{ capabilities = ["create", "update"] }}
path "{mount}/config" {{ capabilities = ["list"] }}
path "{mount}/roles" {{ capabilities = ["list"] }}
path "{mount}/static-roles" {{ capabilities = ["list"] }}
path "{mount}/*" {{ capabilities = ["create", "read", "update", "delete"] }}
path "sys/leases/revoke" {{ capabilities = ["update"] }}
"""


class Place:
    """A mount of its own, and a database with an owner and a Vault user that is no superuser."""

    def __init__(self, bao, pg, pki, sallyport, password):
        name = "vp" + uuid.uuid4().hex[:8]
        self.bao, self.pg, self.pki, self.sallyport, self.mount, self.password = bao, pg, pki, sallyport, name, password
        self.database, self.owner, self.admin, self.fixed = name, f"{name}_owner", f"{name}_vault", f"{name}_fixed"
        quoted = password.replace("'", "''")
        pg.sql(f"CREATE ROLE {self.owner} NOLOGIN")
        pg.sql(f"CREATE ROLE {self.admin} LOGIN CREATEROLE PASSWORD '{quoted}'")
        pg.sql(f"GRANT {self.owner} TO {self.admin} WITH ADMIN OPTION")
        pg.sql(f"CREATE ROLE {self.fixed} LOGIN PASSWORD '{quoted}'")
        pg.sql(f"CREATE DATABASE {self.database} OWNER {self.owner}")
        pg.sql(f"ALTER SCHEMA public OWNER TO {self.owner}", database=self.database)
        self.others = set()
        self.others = self.users()
        self.password_file = sallyport.secret_file(password, "vault-admin")
        bao.call("PUT", f"sys/policies/acl/{name}", {"policy": POLICY.format(mount=name)})

    @property
    def token(self):
        return self.bao.token(self.mount)

    @property
    def url(self):
        return f"postgresql://localhost:{self.pg.port}/{self.database}?sslmode=verify-full&sslrootcert={self.pki.ca}"

    def file(self, roles=None, more="", connection="", static=""):
        roles = roles or f"""
  app-rw: {{grants: owner, owner: {self.owner}}}
  app-ro: {{grants: read, owner: {self.owner}, default_ttl: 30min}}"""
        return self.sallyport.config(f"""version: 1
vault: {{mount: {self.mount}}}
connections:
  production:
    connection_url: {self.url}
    username: {self.admin}
    auth: file:{self.password_file}
{connection}roles:{roles}
{static}{more}""", "vault.yaml")

    def run(self, what, file, *flags, token=None, **env):
        return self.sallyport.run("vault", what, file, *flags, env={**self.bao.environment(token or self.token), **env})

    def apply(self, file, *flags):
        return self.run("apply", file, "--yes", *flags).ok()

    def exec(self, role, *statements, **attributes):
        url = reference(f"vault:{self.mount}/creds/{role}", host="localhost", port=self.pg.port, dbname=self.database,
                        sslrootcert=self.pki.ca, **attributes)
        return self.sallyport.exec(psql(*statements), url, env=self.bao.environment(self.bao.token(self.mount)))

    def users(self):
        """Those that Vault made and nobody dropped."""
        return set(self.pg.sql("SELECT rolname FROM pg_roles WHERE rolname LIKE %s", "v-%")) - self.others

    def read(self, path):
        return self.bao.call("GET", f"{self.mount}/{path}")["data"]

    def close(self):
        with contextlib.suppress(Exception):
            self.bao.call("DELETE", f"sys/mounts/{self.mount}")
        self.pg.sql(f"DROP DATABASE IF EXISTS {self.database} WITH (FORCE)")
        for role in (self.fixed, self.admin, self.owner):
            self.pg.sql(f"DROP ROLE IF EXISTS {role}")


@pytest.fixture
def place(bao, pg, pki, sallyport):
    it = Place(bao, pg, pki, sallyport, canary.make())
    yield it
    sallyport.assert_no_canary(it.password, allowed_files=[it.password_file])
    it.close()


def test_plan_then_apply_then_nothing_to_do(place):
    file = place.file()
    planned = place.run("plan", file)
    assert planned.code == 1, planned.output
    for line in (f"+ database engine at {place.mount}/", "+ connection production", "+ role app-rw", "+ role app-ro",
                 f"password                that of file:{place.password_file}", "4 to add, 0 to change, 0 as wanted."):
        assert line in planned.stdout, planned.stdout
    with pytest.raises(Exception, match="404"):
        place.bao.call("GET", f"{place.mount}/config/production")
    applied = place.apply(file)
    assert re.findall(r"^done: (.*)$", applied.stdout, re.M) == [
        f"engine {place.mount}/", "connection production", "role app-ro", "role app-rw"]
    again = place.run("plan", file).ok()
    assert again.stdout.endswith("Nothing to do.\n") and "= role app-rw" in again.stdout, again.stdout
    assert place.apply(file).stdout.endswith("Nothing to do.\n")
    assert place.read("config/production")["connection_details"]["password_authentication"] == "scram-sha-256"


def test_what_the_owner_role_makes_belongs_to_it_and_can_be_read_by_the_reader(place):
    place.apply(place.file())
    place.pg.sql(f"SET ROLE {place.owner}; CREATE TABLE early (id int); INSERT INTO early VALUES (1)", database=place.database)
    made = place.exec("app-rw", "CREATE TABLE late (id serial)", "INSERT INTO late DEFAULT VALUES",
                      "SELECT session_user, current_user").ok()
    assert re.fullmatch(rf"v-\S+\|{place.owner}\n", made.stdout), made.stdout
    assert place.pg.sql("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'", database=place.database) \
        == [(place.owner,)]
    # The reader logs in first: the table that it reads is made while it is there.
    lease = place.bao.call("GET", f"{place.mount}/creds/app-ro")
    who = lease["data"]
    with psycopg.connect(host="localhost", port=place.pg.port, user=who["username"], password=who["password"],
                         dbname=place.database, sslmode="require", autocommit=True) as reader:
        place.exec("app-rw", "CREATE TABLE later (id int)").ok()
        assert reader.execute("SELECT (SELECT count(*) FROM early), (SELECT count(*) FROM late), (SELECT count(*) FROM later)").fetchone() \
            == (1, 1, 0)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("INSERT INTO early VALUES (2)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("CREATE TABLE mine (id int)")
        # Its end ends its session, and leaves nothing of it behind.
        place.bao.call("POST", "sys/leases/revoke", {"lease_id": lease["lease_id"], "sync": True})
        with pytest.raises(psycopg.OperationalError):
            reader.execute("SELECT 1")
    wait_for(lambda: not place.users(), "the users to be dropped", 10)
    assert place.pg.sql("SELECT count(*) FROM pg_default_acl", database=place.database) == [(0,)]


def test_a_writer_changes_rows_and_makes_no_tables(place):
    place.apply(place.file(f"\n  app: {{grants: write, owner: {place.owner}}}"))
    place.pg.sql(f"SET ROLE {place.owner}; CREATE TABLE t (id serial, v int)", database=place.database)
    run = place.exec("app", "INSERT INTO t (v) VALUES (7)", "UPDATE t SET v = 8", "DELETE FROM t RETURNING id, v").ok()
    assert run.stdout == "1|8\n"
    assert place.exec("app", "CREATE TABLE u ()").code != 0


def test_a_revocation_succeeds_for_a_user_that_somebody_dropped(place):
    place.apply(place.file())
    lease = place.bao.call("GET", f"{place.mount}/creds/app-rw")
    place.pg.sql(f'DROP ROLE "{lease["data"]["username"]}"')
    place.bao.call("POST", "sys/leases/revoke", {"lease_id": lease["lease_id"], "sync": True})


def test_without_an_owner_a_users_tables_outlive_it_all_the_same(place):
    place.pg.sql(f"CREATE ROLE {place.database}_makers; GRANT CREATE ON SCHEMA public TO {place.database}_makers", database=place.database)
    try:
        file = place.file(f"\n  app: {{member_of: {place.database}_makers}}")
        assert "goes to Vault's own user" in place.run("plan", file).stdout
        place.apply(file)
        place.exec("app", "CREATE TABLE made (id int)").ok()
        wait_for(lambda: place.pg.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'made'", database=place.database)
                 == [(place.admin,)], "the table to be handed over", 10)
    finally:
        place.pg.sql(f"DROP OWNED BY {place.database}_makers", database=place.database)
        place.pg.sql(f"DROP ROLE {place.database}_makers")


def test_members_of_a_group_need_no_grants_of_their_own(place):
    place.pg.sql(f"CREATE ROLE {place.database}_readers")
    try:
        place.pg.sql(f"SET ROLE {place.owner}; CREATE TABLE t (); GRANT SELECT ON t TO {place.database}_readers",
                     database=place.database)
        place.apply(place.file(f"\n  app: {{member_of: {place.database}_readers, owner: {place.owner}}}"))
        assert place.exec("app", "SELECT count(*) FROM t").ok().stdout == "0\n"
    finally:
        place.pg.sql(f"DROP OWNED BY {place.database}_readers", database=place.database)
        place.pg.sql(f"DROP ROLE {place.database}_readers")


def test_credentials_asked_for_at_once_do_not_get_in_each_others_way(place):
    """Grants on the same tables in several transactions at once would be errors of PostgreSQL's."""
    from concurrent.futures import ThreadPoolExecutor
    place.pg.sql(f"SET ROLE {place.owner}; CREATE TABLE t (id int)", database=place.database)
    place.apply(place.file())
    with ThreadPoolExecutor(12) as pool:
        leases = list(pool.map(lambda _: place.bao.call("GET", f"{place.mount}/creds/app-ro"), range(36)))
        list(pool.map(lambda lease: place.bao.call("POST", "sys/leases/revoke", {"lease_id": lease["lease_id"], "sync": True}), leases))
    assert place.pg.sql("SELECT relacl::text FROM pg_class WHERE relname = 't'", database=place.database)[0][0].count("v-") == 0


def test_drift_is_shown_and_undone(place):
    file = place.file()
    place.apply(file)
    place.bao.call("POST", f"{place.mount}/roles/app-ro", {
        "db_name": "production", "default_ttl": "8h", "max_ttl": "24h",
        "creation_statements": ["CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'", 'GRANT ALL ON ALL TABLES IN SCHEMA public TO "{{name}}"'],
        "revocation_statements": ["DROP ROLE \"{{name}}\" -- PASSWORD 'hunter2'", "ALTER ROLE x PASSWORD 'hunter3'"]})
    place.bao.call("POST", f"{place.mount}/roles/legacy", {"db_name": "production", "creation_statements": ["SELECT 1"]})
    place.bao.call("POST", f"{place.mount}/config/production", {"allowed_roles": ["legacy"], "max_open_connections": 7})
    run = place.run("plan", file)
    assert run.code == 1
    assert re.search(r"~ connection production\n    allowed_roles +legacy -> app-ro, app-rw\n", run.stdout), run.stdout
    assert re.search(r"    default_ttl +8h -> 30min\n", run.stdout), run.stdout
    assert '      - GRANT ALL ON ALL TABLES IN SCHEMA public TO "{{name}}"\n' in run.stdout
    assert '      + GRANT SELECT ON ALL TABLES IN SCHEMA "public" TO "{{name}}"\n' in run.stdout
    assert "hunter" not in run.output and "(not shown: it may hold a password)" in run.stdout
    assert "? role legacy: is there, and this file says nothing of it" in run.stdout
    assert "0 to add, 2 to change, 1 as wanted" in run.stdout
    done = re.findall(r"^done: (.*)$", place.apply(file).stdout, re.M)
    assert done == ["connection production", "role app-ro", "allowed_roles of production"]
    assert place.run("plan", file).ok().stdout.endswith("Nothing to do.\n")
    assert sorted(place.read("config/production")["allowed_roles"]) == ["app-ro", "app-rw"]
    assert place.read("config/production")["connection_details"]["max_open_connections"] == 7     # not ours


def test_a_connection_with_a_literal_password_is_never_shown(place):
    file = place.file()
    place.apply(file)
    place.bao.call("POST", f"{place.mount}/config/production", {
        "plugin_name": "mysql-database-plugin", "verify_connection": False, "connection_url": f"root:{place.password}@tcp(127.0.0.1:1)/"})
    for flags in ((), ("--format", "json")):
        run = place.run("plan", file, *flags)
        assert run.code == 1 and ('"hidden": true' if flags else "(not shown: it may hold a password)") in run.stdout
    place.apply(file)
    assert place.read("config/production")["connection_details"]["connection_url"].startswith("postgresql://{{username}}:{{password}}@")


def test_static_roles_are_set_up_and_their_user_cannot_be_changed(place):
    static = "static_roles:\n  fixed: {username: %s, rotation_period: 1h}\n"
    place.pg.sql(f"GRANT {place.fixed} TO {place.admin} WITH ADMIN OPTION")
    file = place.file(static=static % place.fixed)
    planned = place.run("plan", file)
    assert "+ static role fixed" in planned.stdout and f"changes the password of {place.fixed} at once" in planned.stdout
    place.apply(file)
    assert place.run("plan", file).ok()
    who = place.bao.call("GET", f"{place.mount}/static-creds/fixed")["data"]
    psycopg.connect(host="localhost", port=place.pg.port, user=who["username"], password=who["password"],
                    dbname=place.database, sslmode="require").close()
    other = place.file(static=static % place.admin)
    assert "Delete it first: vault delete" in place.run("plan", other).stdout
    refused = place.run("apply", other, "--yes")
    assert refused.code == 2 and "cannot be changed to what the file says; nothing was changed" in refused.stderr


def test_rotate_root_is_warned_about_and_the_next_apply_still_works(place):
    file = place.file()
    place.apply(file)
    run = place.apply(file, "--rotate-root", "production")
    assert "! root password of connection production" in run.stdout and "cannot be undone" in run.stdout
    assert "done: root password of production" in run.stdout
    told = place.sallyport.run("audit", "query", "--kind", "admin", "--format", "json").ok().stdout
    assert "role app-rw" in told and "password of production" in told and "rotate-root production" in told, told
    assert place.password not in told
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(host="localhost", port=place.pg.port, user=place.admin, password=place.password,
                        dbname=place.database, sslmode="require")
    # The old password is not sent any more, though the file still leads to it.
    changed = place.file(f"\n  app-rw: {{grants: owner, owner: {place.owner}, max_ttl: 12h}}", connection="    max_open_connections: 3\n")
    assert place.apply(changed)
    assert place.exec("app-rw", "SELECT 1").ok()
    assert place.run("plan", changed).ok()
    # And where somebody insists, Vault refuses it and keeps what it has.
    forced = place.run("apply", changed, "--yes", "--set-password", "production")
    assert forced.code == 2 and "database refused Vault's own login" in forced.stderr, forced.output
    assert place.exec("app-rw", "SELECT 1").ok()


def test_a_password_that_is_sent_again_is_a_change(place):
    file = place.file()
    place.apply(file)
    run = place.run("plan", file, "--set-password", "production")
    assert run.code == 1 and "~ connection production" in run.stdout and "0 to add, 1 to change" in run.stdout, run.stdout
    told = json.loads(place.run("plan", file, "--set-password", "production", "--format", "json").stdout)
    assert [(one["action"], one["password"]) for one in told["changes"] if one["kind"] == "connection"] == [("change", "sent")]


def test_a_token_that_may_not_read_is_told_what_its_policy_lacks(place):
    place.apply(place.file())
    run = place.run("plan", place.file(), token=place.bao.token("app-norevoke"))
    assert run.code == 2
    for line in (f'path "{place.mount}/config/production" {{ capabilities = ["create", "read", "update"] }}',
                 f'path "{place.mount}/roles/app-ro" {{ capabilities = ["create", "read", "update"] }}',
                 f'path "{place.mount}/roles" {{ capabilities = ["list"] }}'):
        assert line in run.stderr, run.stderr


def test_a_token_that_may_not_write_changes_nothing(place):
    bao = place.bao
    place.apply(place.file())
    bao.call("PUT", f"sys/policies/acl/{place.mount}-read", {"policy": f'path "{place.mount}/*" {{ capabilities = ["read"] }}\n'
             f'path "{place.mount}/roles/app-rw" {{ capabilities = ["read", "update"] }}'})
    changed = place.file(f"""
  app-rw: {{grants: owner, owner: {place.owner}, default_ttl: 2h}}
  new: {{grants: read, owner: {place.owner}}}""")
    run = place.run("apply", changed, "--yes", token=bao.token(f"{place.mount}-read"))
    assert run.code == 2 and "so none was made" in run.stderr, run.output
    assert f'path "{place.mount}/config/production" {{ capabilities = ["update"] }}' in run.stderr
    assert f'path "{place.mount}/roles/new" {{ capabilities = ["create"] }}' in run.stderr
    assert f'"{place.mount}/roles/app-rw"' not in run.stderr
    assert "? the token may not list" in run.stdout
    assert place.read("roles/app-rw")["default_ttl"] == 3600


def test_without_a_terminal_apply_needs_yes(place):
    run = place.sallyport.start("vault", "apply", place.file(), env=place.bao.environment(place.token), inside=("setsid", "-w")).wait()
    assert run.code == 2 and "no terminal to ask on" in run.stderr and "--yes" in run.stderr, run.output
    assert "+ connection production" in run.stdout
    with pytest.raises(Exception, match="404"):
        place.read("config/production")


@pytest.mark.parametrize("answer", ["n", "y"])
def test_on_a_terminal_apply_asks(place, answer):
    file = place.file()
    seen, code, answered = answer_on_a_terminal(binary(), ["vault", "apply", file], place.sallyport.env(**place.bao.environment(place.token)),
                                                answer.encode() + b"\n", question=b"Make these changes? [y/N]")
    assert answered and code == (0 if answer == "y" else 2), seen
    assert (b"done: role app-rw" in seen) == (answer == "y") and (b"was not confirmed" in seen) == (answer == "n")
    assert place.run("plan", file).code == (0 if answer == "y" else 1)


def test_a_wrong_admin_password_is_told_and_a_later_apply_goes_on(place):
    file = place.file()
    with open(place.password_file, "w", encoding="utf-8") as out:
        out.write(place.password[::-1])
    run = place.run("apply", file, "--yes")
    assert run.code == 2 and "database refused Vault's own login" in run.stderr and "username and auth" in run.stderr, run.output
    assert f"done: engine {place.mount}/" in run.stdout and "run apply again" in run.stderr
    with open(place.password_file, "w", encoding="utf-8") as out:
        out.write(place.password)
    place.apply(file)


def test_another_engine_at_the_mount_is_refused_before_anything_is_sent(place):
    place.bao.call("POST", f"sys/mounts/{place.mount}", {"type": "kv", "options": {"version": "1"}})
    run = place.run("apply", place.file(), "--yes")
    assert run.code == 2 and "another engine than database is mounted there" in run.stderr, run.output
    with pytest.raises(Exception, match="404"):
        place.bao.call("LIST", f"{place.mount}/config")


def test_json_says_the_same(place):
    file = place.file()
    planned = json.loads(place.run("plan", file, "--format", "json").stdout)
    assert planned["to_do"] and planned["mount_missing"]
    assert [(c["kind"], c["name"], c["action"]) for c in planned["changes"]] == [
        ("connection", "production", "add"), ("role", "app-ro", "add"), ("role", "app-rw", "add")]
    assert planned["changes"][0]["password"] == "sent"
    refused = place.run("apply", file, "--format", "json")
    assert refused.code == 2 and "--yes" in refused.stderr
    applied = json.loads(place.apply(file, "--format", "json").stdout)
    assert applied["made"] == [f"engine {place.mount}/", "connection production", "role app-ro", "role app-rw"]
    again = json.loads(place.run("plan", file, "--format", "json").ok().stdout)
    assert not again["to_do"] and {c["action"] for c in again["changes"]} == {"keep"}
    assert again["changes"][0]["password"] == "not compared"


def test_the_configuration_says_where_and_which_roles(place):
    config = place.sallyport.config(f"""version: 1
targets:
  production:
    engine: postgresql
    host: localhost
    port: {place.pg.port}
    database: {place.database}
    tls: {{roots: [{place.pki.ca}]}}
    roles:
      app: {{auth: "vault:{place.mount}/creds/app", run_as: {place.owner}}}
      reports: vault:{place.mount}/creds/reports
routes:
  - {{listen: "unix:{place.sallyport.folder}/run/p", target: production, allow: [{{user: root, role: app}}]}}
state: sqlite:{place.sallyport.state}/s.db
audit: {{dir: {place.sallyport.state}/audit}}
""")
    file = place.sallyport.config(f"""version: 1
vault: {{mount: {place.mount}}}
connections:
  production: {{username: {place.admin}, auth: "file:{place.password_file}"}}
""", "vault.yaml")
    run = place.run("plan", file, "-c", config)
    assert run.code == 1, run.output
    assert f"postgresql://{{{{username}}}}:{{{{password}}}}@localhost:{place.pg.port}/{place.database}?sslmode=verify-full" in run.stdout
    assert "+ role app\n" in run.stdout and f'IN ROLE "{place.owner}"' in run.stdout
    assert f"{place.mount}/creds/reports, which this file does not set up. Add `roles.reports`" in run.stderr


class KilledAt(list):
    """Replies of a ManagerProxy: the run is killed when the nth write has been executed and not yet answered."""

    def __init__(self, mount, nth):
        super().__init__()
        self.mount, self.left, self.run = mount, nth, None

    def append(self, reply):
        super().append(reply)
        _, path, status = reply
        self.left -= status == 204 and f"/{self.mount}" in path
        if not self.left:
            self.run.process.kill()


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_killed_in_the_middle_a_second_apply_finishes(place, nth):
    file = place.file()
    with ManagerProxy(place.bao, place.pki) as proxy:
        proxy.replies = KilledAt(place.mount, nth)
        env = {**proxy.environment, "VAULT_TOKEN": place.token}
        proxy.replies.run = place.sallyport.start("vault", "apply", file, "--yes", env=env)
        assert proxy.replies.run.wait().code == -9, proxy.replies.run.output
    place.apply(file)
    assert place.run("plan", file).ok().stdout.endswith("Nothing to do.\n")
    assert place.exec("app-rw", "SELECT 1").ok()


@pytest.mark.parametrize("major", [13, 16, 18])
def test_other_versions_of_postgresql(major, bao, base, pki, sallyport):
    """16 changed what CREATEROLE may do with the roles that it makes."""
    programs = postgres_versions.programs_of(major, base)
    if programs is None:
        skip_here(f"PostgreSQL {major} is missing here (npm fetches it)")
    server = Postgres(os.path.join(base, f"vault-pg-{major}"), pki, programs=programs)
    place = Place(bao, server, pki, sallyport, canary.make())
    try:
        place.apply(place.file())
        assert place.exec("app-rw", "CREATE TABLE t (id int)", "SELECT current_user").ok().stdout == f"{place.owner}\n"
        assert place.exec("app-ro", "SELECT count(*) FROM t").ok().stdout == "0\n"
        wait_for(lambda: not place.users(), "the users to be dropped", 10)
        assert server.sql("SELECT tableowner FROM pg_tables WHERE tablename = 't'", database=place.database) == [(place.owner,)]
    finally:
        place.close()
        server.close()


@pytest.fixture(scope="session")
def maria(base, pki):
    if not mariadb.available():
        skip_here("MariaDB (mariadbd, mariadb-install-db, mariadb) is missing here")
    it = mariadb.MariaDb(os.path.join(base, "mariadb"), pki)
    yield it
    it.close()


def test_mariadb_users_come_and_go(maria, place):
    maria.client("CREATE DATABASE app; CREATE DATABASE app_prod; CREATE TABLE app_prod.t (id int); CREATE DATABASE appXprod;"
                 "CREATE TABLE appXprod.t (id int); CREATE USER vault_admin@'%' IDENTIFIED BY '" + place.password.replace("'", "") + "' REQUIRE SSL;"
                 "GRANT ALL ON app.* TO vault_admin@'%' WITH GRANT OPTION;"
                 "GRANT ALL ON `app\\_prod`.* TO vault_admin@'%' WITH GRANT OPTION; GRANT CREATE USER ON *.* TO vault_admin@'%'")
    file = place.sallyport.config(f"""version: 1
vault: {{mount: {place.mount}}}
connections:
  shop:
    engine: mariadb
    connection_url: tcp(127.0.0.1:{maria.port})/
    tls_ca: {place.pki.ca}
    username: vault_admin
    auth: file:{place.password_file}
roles:
  own: {{grants: owner, database: app}}
  write: {{grants: write, database: app}}
  read: {{grants: read, database: app}}
  prod: {{grants: read, database: [app, app_prod]}}
""", "vault.yaml")
    assert place.run("plan", file).code == 1
    place.apply(file)
    again = place.run("plan", file).ok()
    assert again.stdout.endswith("Nothing to do.\n") and "warning" not in again.stdout, again.stdout

    def ask(role, sql):
        who = place.bao.call("GET", f"{place.mount}/creds/{role}")["data"]
        return maria.client(sql, who["username"], who["password"], "app", tcp=True, check=False)

    assert ask("own", "CREATE TABLE t (id int); CREATE VIEW v AS SELECT * FROM t").returncode == 0
    assert ask("write", "INSERT INTO t VALUES (1)").returncode == 0
    assert "denied" in ask("write", "CREATE TABLE u (id int)").stderr
    maria.client("CREATE TABLE later (id int)", database="app")
    assert ask("read", "SELECT * FROM t; SELECT count(*) FROM later").stdout == "1\n0\n"
    assert "denied" in ask("read", "INSERT INTO t VALUES (2)").stderr
    assert ask("prod", "SELECT count(*) FROM app_prod.t").stdout == "0\n"
    assert "denied" in ask("prod", "SELECT count(*) FROM appXprod.t").stderr, "_ is no wildcard"
    users = "SELECT count(*) FROM mysql.user WHERE user LIKE 'v-%'"
    assert maria.client(users).stdout == "7\n"
    place.bao.call("PUT", f"sys/leases/revoke-prefix/{place.mount}", {})
    wait_for(lambda: maria.client(users).stdout == "0\n", "the users to be dropped", 10)


def test_a_static_user_of_mariadb_is_resolved_and_followed(maria, place):
    """A password that Vault keeps for a user of MariaDB: what `resolve` gives logs in, before a rotation and behind it."""
    quoted = place.password.replace("'", "''")
    maria.client(f"CREATE USER keeper@'%' IDENTIFIED BY '{quoted}' REQUIRE SSL; GRANT CREATE USER ON *.* TO keeper@'%';"
                 f"CREATE USER fixed@'%' IDENTIFIED BY '{quoted}' REQUIRE SSL")
    file = place.sallyport.config(f"""version: 1
vault: {{mount: {place.mount}}}
connections:
  shop:
    engine: mariadb
    connection_url: tcp(127.0.0.1:{maria.port})/
    tls_ca: {place.pki.ca}
    username: keeper
    auth: file:{place.password_file}
static_roles:
  fixed: {{username: fixed, rotation_period: 1h}}
""", "vault.yaml")
    place.apply(file)
    assert place.run("plan", file).ok().stdout.endswith("Nothing to do.\n")

    def resolved():
        run = place.sallyport.run("resolve", f"vault:{place.mount}/static-creds/fixed", "--reveal", "--yes", "--format", "json",
                                  env=place.bao.environment(place.token)).ok()
        return json.loads(run.stdout)

    def log_in(who):
        return maria.client("SELECT current_user()", who["user"], who["secret"], tcp=True, check=False)

    first = resolved()
    assert log_in(first).stdout == "fixed@%\n" and 0 < first["changes_in_seconds"] <= 3601, "a second behind the rotation"
    place.bao.call("POST", f"{place.mount}/rotate-role/fixed", {})
    assert "denied" in log_in(first).stderr
    assert log_in(resolved()).stdout == "fixed@%\n"


def test_the_file_logs_in_by_a_wrapped_secret_id_which_opens_once(place):
    bao, name = place.bao, f"set-up-{place.mount}"
    bao.call("POST", f"auth/approle/role/{name}", {"token_policies": place.mount, "token_ttl": "10m"})
    path = place.sallyport.secret_file(bao.wrapped(f"auth/approle/role/{name}/secret-id"), "wrapped")
    with open(place.file(), encoding="utf-8") as file:
        text = file.read().replace(f"mount: {place.mount}", f"mount: {place.mount}, auth: approle, role: {name}, "
                                   f"role_id: {bao.approle(name)[0]}, secret_id_file: {path}, secret_id_wrapped: true")
    file = place.sallyport.config(text, "vault.yaml")
    env = bao.environment()
    assert place.sallyport.run("vault", "apply", file, "--yes", env=env).ok().stdout.count("done: ") == 4
    again = place.sallyport.run("vault", "plan", file, env=env)
    assert again.code == 2 and "wrap" in again.stderr, again.output
    assert place.run("plan", place.file()).ok().stdout.endswith("Nothing to do.\n")
