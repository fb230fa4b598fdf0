// The third part of the table: `admin`.
#include "config/keys.h"

#include <array>

namespace sallyport::config {
namespace {

constexpr auto table = std::to_array<Key>({
    {.path = "admin",
     .shape = Shape::map,
     .fallback = "defaults",
     .meaning = "Health, metrics and commands: [operations.md](operations.md)."},
    {.path = "admin.listen",
     .kind = Kind::text,
     .fallback = "`unix:/run/sallyport/admin.http`",
     .meaning = "Where HTTP is served: `unix:PATH`, or `ADDRESS:PORT` with an IP address, or `off`."},
    {.path = "admin.socket",
     .kind = Kind::text,
     .fallback = "`/run/sallyport/admin.sock`",
     .meaning = "The Unix socket of `sallyport status`, `pause` and the like: an absolute path, or `off`."},
    {.path = "admin.token",
     .kind = Kind::path,
     .fallback = "none",
     .meaning =
         "File with the bearer token that `/metrics` and `/status` need on TCP. Not readable by everybody. "
         "Read again at a reload."},
    {.path = "admin.hosts",
     .shape = Shape::scalar_or_list,
     .kind = Kind::text,
     .fallback = "none",
     .meaning = "Names by which HTTP clients may call Sallyport on TCP, beside addresses and `localhost`."},
});

}  // namespace

std::span<const Key> admin_keys() { return table; }

}  // namespace sallyport::config
