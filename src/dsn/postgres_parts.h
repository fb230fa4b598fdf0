// What the parsers of the forms share: taking one named value in, and errors that quote nothing.
#pragma once

#include "dsn/postgres.h"

namespace sallyport::dsn {

Error wrong_dsn(std::string what, std::string hint);

Result<PostgresTarget> parse_uri(std::string_view text, Dialect dialect);
Result<PostgresTarget> parse_jdbc(std::string_view text, Dialect dialect);
Result<PostgresTarget> parse_keywords(std::string_view text, Dialect dialect);
Result<PostgresTarget> parse_ado(std::string_view text, Dialect dialect);

/// 1…65535 in decimal digits.
Result<std::uint16_t> parse_port(std::string_view text);

/// No NUL and no control character.
bool printable(std::string_view text);

/// Puts one value where its name says: into user, hosts, …, or among the parameters. A later one replaces an
/// earlier one, as in libpq. Hosts and ports are lists, matched by position when finish() is called.
class TargetBuilder {
 public:
  explicit TargetBuilder(Dialect dialect) { target_.dialect = std::move(dialect); }

  Result<void> take(std::string_view name, Meaning meaning, Secret value);
  Result<void> add_host(HostPort host);
  void set_user(std::string user) { target_.user = std::move(user); }
  void set_database(std::string database) { target_.database = std::move(database); }
  void set_password(Secret password);

  Result<PostgresTarget> finish();

 private:
  Result<void> read_port_list(std::vector<std::uint16_t>& ports);

  PostgresTarget target_;
  std::string host_list_;
  std::string port_list_;
  bool has_host_list_ = false;
  bool has_port_list_ = false;
};

}  // namespace sallyport::dsn
