"""What of the suites that driver_suites.py runs fails through the broker and has to; docs/pooling.md says why at length. What fails in
session pooling and is not here is a defect."""

# Tests of a NOTIFY that another session sent.
NOTIFIED = ["asyncpg test_listen_02", "asyncpg test_listen_notletters", *(f"psycopg2 test_{name}" for name in (
    "notify", "many_notifies", "notify_attributes", "notify_payload", "notifies_received_on_commit", "notifies_received_on_execute",
    "notifies_received_on_poll", "notifies_received_on_reset", "notifies_received_on_rollback",
    "notifies_received_on_set_client_encoding", "notifies_received_on_set_session"))]
# Log in as a role that they have just made.
NEW_ROLES = [
    "jdbc AuthenticationPluginTest.authPluginSASL", "jdbc ScramTest.passwordWithSpace", *(f"jdbc PasswordUtilTest.{name}" for name in (
        "alterUserPasswordSupportsNullEncoding", "customScramParams", "encodePasswordWithServersPasswordEncryption",
        "encryptionTypeValueOfOff", "encryptionTypeValueOfOn", "scramSha256"))]
EXPLAINED = {
    "session": {
        "pgconn TestConnectProtocolVersion32": "takes the server's version for the protocol's",
        "pq TestAuth/end_to_end/user=pqgounknown_password=wordpass": "a name that is not known is refused in our words",
        "pq TestQueryRowContext": "allows 50 ms for a cancel, which needs a TLS connection of its own",
        "pq TestListenerReconnect": "allows 100 ms, for which nothing is handed out after a loss",
        "asyncpg test_executemany_server_failure_during_writes":
            "must be told before it has sent 4 MB, which the sockets on the way take",
        **dict.fromkeys(NEW_ROLES, "a name that is not known is refused in our words"),
        "tokio-postgres notices": "what the server says at a login is not passed on",
        "postgres test::is_closed": "fails directly, too, where the end comes behind its error",
        "regress guc": "a library that the server process has loaded stays",
        "regress temp": "the temporary schema of the server process stays, empty",
        "regress stats": "counts sessions of the server: one is used again",
    },
    "transaction": {
        "v5 TestFatalRxError": "ends a process by the number that the client was told",
        "v5 TestFatalTxError": "ends a process by the number that the client was told",
        "pq TestPing": "ends a process by the number that the client was told",
        "pgxpool TestPoolAcquireChecksIdleConns": "ends a process by the number that the client was told",
        "stdlib TestCheckIdleConn": "ends a process by the number that the client was told",
        "v5 TestPrepareHandlesTimeoutBetweenParseAndDescribe": "looks for its name in pg_prepared_statements",
        "v5 TestPrepareWithDigestedNameHandlesTimeoutBetweenParseAndDescribe": "looks for its name in pg_prepared_statements",
        "stdlib TestConnMultiplePrepareAndDeallocate": "looks for its text in pg_prepared_statements",
        "asyncpg test_prepare_explicitly_named": "SQL's EXECUTE of what was prepared by protocol",
        "asyncpg test_copy_records_to_table_no_stmt_cache": "counts pg_prepared_statements",
        "asyncpg test_pool_remote_close": "ends a process whose number was true a transaction ago",
        "asyncpg test_pool_min_size_restored_after_idle_connection_loss": "ends a process by the number that the client was told",
        "psycopg2 test_external_close_async": "ends a process whose number was true a transaction ago",
        "psycopg2 test_backend_pid": "compares the number that the client was told with pg_backend_pid()",
        "jdbc CopyTest.lockReleaseOnCancelFailure": "ends a process by the number that the client was told, and would write for ever",
        "jdbc IsValidTest.testIsValidRemoteClose": "ends a process by the number that the client was told",
        **{f"pg8000 test_{name}": "compares the number of its server process with the one that the client was told"
           for name in ("notify", "notify_with_payload")},
        "pg8000 test_broken_pipe_read": "ends a process whose number was true a transaction ago",
        "pg8000 test_broken_pipe_flush": "ends a process whose number was true a transaction ago",
        "pg8000 test_close_prepared_statement": "counts pg_prepared_statements",
        "postgres test::is_closed": "ends a process whose number was true a transaction ago",
        **dict.fromkeys(NOTIFIED, "compares the number that another session was told with that of its server process"),
    },
}


def explanation(way, test):
    known = {**EXPLAINED["session"], **(EXPLAINED["transaction"] if way == "transaction" else {})}
    return known.get(test) or known.get(test.split("/")[0])
