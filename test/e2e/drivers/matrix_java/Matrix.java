// The steps of the driver matrix with pgjdbc: each prints "STEP ok", or "STEP: what the driver was told".
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;
import org.postgresql.core.BaseConnection;

public class Matrix {
  static final String TABLE = "made_for_drivers";
  static final int LARGE = 10_000_000;
  static Connection c, other;

  interface Step { void run() throws Exception; }

  static void step(String name, Step step) {
    try {
      step.run();
      System.out.println(name + " ok");
    } catch (Throwable failure) {
      System.out.println(name + ": " + String.valueOf(failure.getMessage()).replace('\n', ' '));
    }
  }

  static void check(boolean holds, String what) {
    if (!holds) throw new IllegalStateException(what);
  }

  static void run(String sql) throws SQLException {
    try (Statement s = c.createStatement()) { s.execute(sql); }
  }

  static String one(String sql, Object... values) throws SQLException {
    try (PreparedStatement p = c.prepareStatement(sql)) {
      for (int k = 0; k < values.length; k++) p.setObject(k + 1, values[k]);
      try (ResultSet r = p.executeQuery()) {
        r.next();
        return r.getString(1);
      }
    }
  }

  static void deleted(int expected) throws SQLException {
    try (Statement s = c.createStatement()) {
      int n = s.executeUpdate("DELETE FROM " + TABLE);
      check(n == expected, n + " rows deleted");
    }
  }

  static void fails(String sql, String state) throws SQLException {
    try {
      run(sql);
    } catch (SQLException failure) {
      check(state.equals(failure.getSQLState()), sql + ": " + failure.getSQLState());
      return;
    }
    throw new IllegalStateException(sql + " did not fail");
  }

  static void transactions() throws SQLException {
    c.setAutoCommit(false);
    run("INSERT INTO " + TABLE + " VALUES (1, 'kept')");
    Savepoint s = c.setSavepoint("s");
    run("INSERT INTO " + TABLE + " VALUES (2, 'lost')");
    fails("SELECT 1/0", "22012");
    c.rollback(s);
    c.commit();
    c.setAutoCommit(true);
    deleted(1);
  }

  static void rows() throws SQLException {
    c.setAutoCommit(false);
    try (Statement s = c.createStatement()) {
      s.setFetchSize(100);
      int seen = 0;
      try (ResultSet r = s.executeQuery("SELECT generate_series(1, 1000)")) { while (r.next()) seen++; }
      check(seen == 1000, seen + " rows");
    }
    c.commit();
    c.setAutoCommit(true);
  }

  static void batch() throws SQLException {
    try (PreparedStatement p = c.prepareStatement("INSERT INTO " + TABLE + " VALUES (?, 'many')")) {
      for (int k = 0; k < 200; k++) { p.setInt(1, k); p.addBatch(); }
      check(p.executeBatch().length == 200, "batch");
    }
    deleted(200);
  }

  public static void main(String[] arguments) throws Exception {
    c = DriverManager.getConnection(System.getenv("DATABASE_URL"));
    other = DriverManager.getConnection(System.getenv("DATABASE_URL"));
    CopyManager copy = new CopyManager((BaseConnection) c);
    step("simple", () -> { check("app".equals(one("SELECT current_user")), "user"); run("SELECT 1; SELECT 2"); });
    step("prepared", () -> {
      try (PreparedStatement p = c.prepareStatement("SELECT ?::int * 2")) {
        for (int k = 0; k < 30; k++) {
          p.setInt(1, k);
          try (ResultSet r = p.executeQuery()) { r.next(); check(r.getInt(1) == 2 * k, "twice"); }
          check(one("SELECT " + k + " + ?::int", 1).equals("" + (k + 1)), "plus");
        }
      }
      rows();
    });
    step("pipeline", Matrix::batch);
    step("copy_in", () -> {
      StringBuilder text = new StringBuilder();
      for (int k = 0; k < 10_000; k++) text.append(k).append("\tcopied\n");
      byte[] bytes = text.toString().getBytes(StandardCharsets.UTF_8);
      check(copy.copyIn("COPY " + TABLE + " FROM STDIN", new ByteArrayInputStream(bytes)) == 10_000, "rows");
      try {
        copy.copyIn("COPY " + TABLE + " FROM STDIN", new ByteArrayInputStream("no number\twrong\n".getBytes()));
        check(false, "a wrong row was taken");
      } catch (SQLException failure) {
        check("22P02".equals(failure.getSQLState()), failure.getSQLState());
      }
    });
    step("copy_out", () -> {
      check(copy.copyOut("COPY (SELECT a FROM " + TABLE + ") TO STDOUT", new ByteArrayOutputStream()) == 10_000, "rows");
      deleted(10_000);
    });
    step("listen", () -> {
      run("LISTEN matrix");
      try (Statement s = other.createStatement()) { s.execute("NOTIFY matrix, 'heard'"); }
      check("heard".equals(c.unwrap(PGConnection.class).getNotifications(10_000)[0].getParameter()), "notification");
      run("UNLISTEN *");
    });
    step("cancel", () -> {
      try (Statement s = c.createStatement()) {
        s.setQueryTimeout(1);
        s.execute("SELECT pg_sleep(20)");
        check(false, "not cancelled");
      } catch (SQLException failure) {
        check("57014".equals(failure.getSQLState()), failure.getSQLState());
      }
      run("SELECT 1");
    });
    step("savepoints", Matrix::transactions);
    step("errors", () -> {
      fails("SELECT 1/0", "22012");
      fails("SELEKT", "42601");
      fails("SELECT * FROM nowhere", "42P01");
    });
    step("large", () -> {
      check(one("SELECT repeat('x', ?)", LARGE).length() == LARGE, "read");
      check(one("SELECT length(?::text)", "y".repeat(LARGE)).equals("" + LARGE), "written");
    });
    step("state", () -> {
      run("CREATE TEMP TABLE of_the_session (a int)");
      run("INSERT INTO of_the_session VALUES (1)");
      run("DROP TABLE of_the_session");
    });
    c.close();
    other.close();
  }
}
