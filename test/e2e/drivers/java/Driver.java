// What a small Java service does with pgjdbc: connect, ask, prepare, a transaction, an error, a cancel.
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

public class Driver {
  static String one(Connection c, String sql) throws SQLException {
    try (Statement s = c.createStatement(); ResultSet r = s.executeQuery(sql)) {
      r.next();
      return r.getString(1);
    }
  }

  public static void main(String[] arguments) throws Exception {
    try (Connection c = DriverManager.getConnection(System.getenv("DATABASE_URL"))) {
      String user = one(c, "SELECT current_user");
      int sum = 0;
      try (PreparedStatement p = c.prepareStatement("SELECT ?::int * 2")) {
        for (int i = 1; i <= 10; i++) {
          p.setInt(1, i);
          try (ResultSet r = p.executeQuery()) {
            r.next();
            sum += r.getInt(1);
          }
        }
      }
      c.setAutoCommit(false);
      try (Statement s = c.createStatement()) {
        s.execute("CREATE TEMP TABLE t (a int) ON COMMIT DROP");
        s.execute("INSERT INTO t VALUES (1), (2), (3)");
      }
      String count = one(c, "SELECT count(*) FROM t");
      c.commit();
      c.setAutoCommit(true);
      String state = "none";
      try {
        one(c, "SELECT 1/0");
      } catch (SQLException e) {
        state = e.getSQLState();
      }
      boolean cancelled = false;
      try (Statement s = c.createStatement()) {
        s.setQueryTimeout(1);
        s.execute("SELECT pg_sleep(20)");
      } catch (SQLException e) {
        cancelled = "57014".equals(e.getSQLState());
      }
      System.out.println("ok " + user + " " + sum + " " + count + " " + state + " " + cancelled);
    }
  }
}
