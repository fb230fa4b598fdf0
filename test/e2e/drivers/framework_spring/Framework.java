// Spring's JdbcTemplate and transactions on HikariCP and pgjdbc. Steps are named on the command line; each prints "STEP ok", or what it
// was told. The URL and its password come from the environment.
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.springframework.dao.DuplicateKeyException;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.datasource.DataSourceTransactionManager;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.support.TransactionTemplate;

public class Framework {
  static HikariDataSource source;
  static JdbcTemplate jdbc;
  static TransactionTemplate transaction, nested, serializable;

  static HikariConfig settings(String more) {
    HikariConfig it = new HikariConfig();
    it.setJdbcUrl(System.getenv("DATABASE_URL") + more);
    it.setMaximumPoolSize(4);
    it.setMinimumIdle(0);
    return it;
  }

  static void migrate() {
    jdbc.execute("CREATE TABLE spring_author (id bigserial PRIMARY KEY, name text UNIQUE)");
  }

  static void crud() {
    for (int k = 0; k < 50; k++) jdbc.update("INSERT INTO spring_author (name) VALUES (?)", "author" + k);
    jdbc.update("UPDATE spring_author SET name = ? WHERE name = ?", "renamed", "author0");
    jdbc.update("DELETE FROM spring_author WHERE name = ?", "author1");
    same(jdbc.queryForObject("SELECT count(*) FROM spring_author", Integer.class), 49);
    List<Object[]> rows = new ArrayList<>();
    for (int k = 0; k < 20; k++) rows.add(new Object[] {"batch" + k});
    jdbc.batchUpdate("INSERT INTO spring_author (name) VALUES (?)", rows);
    same(jdbc.queryForList("SELECT name FROM spring_author WHERE name LIKE 'batch%'", String.class).size(), 20);
  }

  static void savepoint() {
    transaction.executeWithoutResult(outer -> {
      jdbc.update("INSERT INTO spring_author (name) VALUES ('kept')");
      try {
        nested.executeWithoutResult(inner -> jdbc.update("INSERT INTO spring_author (name) VALUES ('kept')"));
      } catch (DuplicateKeyException expected) {
        return;
      }
      throw new IllegalStateException("the same name twice");
    });
    same(jdbc.queryForObject("SELECT count(*) FROM spring_author WHERE name = 'kept'", Integer.class), 1);
  }

  static void pool() throws Exception {
    var threads = Executors.newFixedThreadPool(4);
    List<Callable<Void>> work = new ArrayList<>();
    for (int n = 0; n < 4; n++) {
      int number = n;
      work.add(() -> {
        for (int k = 0; k < 50; k++) {
          String name = "thread" + number + "-" + k;
          transaction.executeWithoutResult(t -> {
            Long id = jdbc.queryForObject("INSERT INTO spring_author (name) VALUES (?) RETURNING id", Long.class, name);
            same(jdbc.queryForObject("SELECT name FROM spring_author WHERE id = ?", String.class, id), name);
          });
        }
        return null;
      });
    }
    for (Future<Void> each : threads.invokeAll(work)) each.get();
    threads.shutdown();
    same(jdbc.queryForObject("SELECT count(*) FROM spring_author WHERE name LIKE 'thread%'", Integer.class), 200);
  }

  static void stream() {
    JdbcTemplate few = new JdbcTemplate(source);
    few.setFetchSize(20);
    AtomicInteger seen = new AtomicInteger();
    transaction.executeWithoutResult(t -> few.query("SELECT id FROM spring_author", row -> { seen.incrementAndGet(); }));
    if (seen.get() < 200) throw new IllegalStateException("only " + seen);
  }

  // @Transactional(isolation = SERIALIZABLE)
  static void isolation_of_a_transaction() {
    serializable.executeWithoutResult(t -> same(jdbc.queryForObject("SHOW transaction_isolation", String.class), "serializable"));
  }

  static void with(HikariConfig config, String show, String wanted) {
    try (HikariDataSource own = new HikariDataSource(config)) {
      same(new JdbcTemplate(own).queryForObject("SHOW " + show, String.class), wanted);
    }
  }

  static void isolation_of_the_pool() {
    HikariConfig it = settings("");
    it.setTransactionIsolation("TRANSACTION_SERIALIZABLE");
    with(it, "transaction_isolation", "serializable");
  }

  static void init_sql() {
    HikariConfig it = settings("");
    it.setConnectionInitSql("SET search_path = public");
    with(it, "search_path", "public");
  }

  static void schema() {
    HikariConfig it = settings("");
    it.setSchema("public");
    with(it, "search_path", "public");
  }

  static void current_schema() {
    with(settings("&currentSchema=public"), "search_path", "public");
  }

  static void isolation_at_start() {
    with(settings("&options=-c%20default_transaction_isolation=serializable"), "transaction_isolation", "serializable");
  }

  static void read_only() {
    TransactionTemplate it = new TransactionTemplate(new DataSourceTransactionManager(source));
    it.setReadOnly(true);
    it.executeWithoutResult(t -> same(jdbc.queryForObject("SHOW transaction_read_only", String.class), "on"));
  }

  static void same(Object seen, Object wanted) {
    if (!seen.equals(wanted)) throw new IllegalStateException(seen + " instead of " + wanted);
  }

  public static void main(String[] steps) {
    source = new HikariDataSource(settings(""));
    jdbc = new JdbcTemplate(source);
    var manager = new DataSourceTransactionManager(source);
    transaction = new TransactionTemplate(manager);
    nested = new TransactionTemplate(manager);
    nested.setPropagationBehavior(TransactionDefinition.PROPAGATION_NESTED);
    serializable = new TransactionTemplate(manager);
    serializable.setIsolationLevel(TransactionDefinition.ISOLATION_SERIALIZABLE);
    for (String step : steps) {
      try {
        Framework.class.getDeclaredMethod(step).invoke(null);
        System.out.println(step + " ok");
      } catch (ReflectiveOperationException error) {
        System.out.println(step + ": " + String.valueOf(error.getCause()).replace('\n', ' '));
      }
    }
    source.close();
  }
}
