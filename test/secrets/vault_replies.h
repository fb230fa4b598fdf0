// Replies of a real server (OpenBao 2.7.2, development mode, a database engine on PostgreSQL 15, AppRole), recorded
// with an HTTP client; only tokens and passwords are put in other words.
#pragma once

#include <string_view>

namespace sallyport::replies {

inline constexpr std::string_view lookup_self =
    R"({"request_id":"b08db320-4a84-aefe-c649-fc295a6ce604","lease_id":"","renewable":false,"lease_duration":0,"data":{"accessor":"ENYJH64BpJNdfSm48sODYBf3","creation_time":1795604211,"creation_ttl":7200,"display_name":"token","entity_id":"","expire_time":"2026-11-25T12:56:51.010462985Z","explicit_max_ttl":0,"id":"s.canary-token","issue_time":"2026-11-25T10:56:51.010474672Z","meta":null,"num_uses":0,"orphan":false,"path":"auth/token/create","policies":["app","default"],"renewable":true,"ttl":7000,"type":"service"},"wrap_info":null,"warnings":null,"auth":null})";

inline constexpr std::string_view lookup_root =
    R"({"request_id":"9a0241cb-3d2e-301a-4e5d-98a2c215df85","lease_id":"","renewable":false,"lease_duration":0,"data":{"accessor":"RmbH9SJ3NhwWI3e0p2umBXol","creation_time":1795604207,"creation_ttl":0,"display_name":"token","entity_id":"","expire_time":null,"explicit_max_ttl":0,"id":"s.canary-token","issue_time":"2026-11-25T10:56:47.53311203Z","meta":null,"num_uses":0,"orphan":true,"path":"auth/token/create","policies":["root"],"renewable":false,"ttl":0,"type":"service"},"wrap_info":null,"warnings":null,"auth":null})";

inline constexpr std::string_view mount_database =
    R"({"request_id":"415d6a05-8a79-4e86-4320-6a6e96b8276f","lease_id":"","renewable":false,"lease_duration":0,"data":{"accessor":"database_af57a6ab","config":{"default_lease_ttl":0,"force_no_cache":false,"max_lease_ttl":0},"description":"","external_entropy_access":false,"local":false,"options":null,"path":"database/","plugin_version":"","running_plugin_version":"v2.7.2+builtin.bao","running_sha256":"","seal_wrap":false,"type":"database","uuid":"584cc977-2856-8b47-4daa-18ee7b918135"},"wrap_info":null,"warnings":null,"auth":null})";

inline constexpr std::string_view mount_kv2 =
    R"({"request_id":"281c1f22-7533-ac4f-b7c2-f2f93b792d46","lease_id":"","renewable":false,"lease_duration":0,"data":{"accessor":"kv_6cfe96ba","config":{"default_lease_ttl":0,"force_no_cache":false,"max_lease_ttl":0},"deprecation_status":"supported","description":"key/value secret storage","external_entropy_access":false,"local":false,"options":{"version":"2"},"path":"secret/","plugin_version":"","running_plugin_version":"v2.7.2+builtin.bao","running_sha256":"","seal_wrap":false,"type":"kv","uuid":"4216ff1b-ae7e-40cf-e562-6ed719f0702b"},"wrap_info":null,"warnings":null,"auth":null})";

inline constexpr std::string_view mount_kv1 =
    R"({"request_id":"1c896621-b871-7c83-307f-5603452f637e","lease_id":"","renewable":false,"lease_duration":0,"data":{"accessor":"kv_b74ffa82","config":{"default_lease_ttl":0,"force_no_cache":false,"max_lease_ttl":0},"deprecation_status":"supported","description":"","external_entropy_access":false,"local":false,"options":{"version":"1"},"path":"kv1/","plugin_version":"","running_plugin_version":"v2.7.2+builtin.bao","running_sha256":"","seal_wrap":false,"type":"kv","uuid":"64184273-7b58-1fc8-829e-b27b2330f789"},"wrap_info":null,"warnings":null,"auth":null})";

inline constexpr std::string_view mount_forbidden =
    R"({"errors":["preflight capability check returned 403, please ensure client's policies grant access to path \"nowhere/x/\""]})";

inline constexpr std::string_view creds =
    R"({"request_id":"2fc95ebe-5343-b896-d7b1-1667d1da5ef7","lease_id":"database/creds/app/KrjAo2W91t9UtLNCg0PWqQXV","renewable":true,"lease_duration":3600,"data":{"password":"canary-password","username":"v-token-app-Mf7OcS2Lyrjp098LDLa3-1795604410"},"wrap_info":null,"warnings":null,"auth":null})";

inline constexpr std::string_view static_creds =
    R"({"request_id":"b4cf6143-3306-7a45-73ad-c817dc4c75ed","lease_id":"","renewable":false,"lease_duration":0,"data":{"last_vault_rotation":"2026-11-25T10:56:49.397123189Z","password":"canary-password","rotation_period":3600,"ttl":3398,"username":"stuser"},"wrap_info":null,"warnings":null,"auth":null})";

inline constexpr std::string_view kv2 =
    R"({"request_id":"78d57bfc-ffb7-21a4-3014-463607c8b282","lease_id":"","renewable":false,"lease_duration":0,"data":{"data":{"password":"canary-password","username":"app"},"metadata":{"created_time":"2026-11-25T10:56:49.678037509Z","custom_metadata":null,"deletion_time":"","destroyed":false,"version":1}},"wrap_info":null,"warnings":null,"auth":null})";

inline constexpr std::string_view kv2_deleted =
    R"({"request_id":"9935b6b0-cf5d-2508-ce20-8306f1994003","lease_id":"","renewable":false,"lease_duration":0,"data":{"data":null,"metadata":{"created_time":"2026-11-25T10:56:49.87242053Z","custom_metadata":null,"deletion_time":"2026-11-25T10:56:50.016455718Z","destroyed":false,"version":1}},"wrap_info":null,"warnings":null,"auth":null})";

inline constexpr std::string_view kv1 =
    R"({"request_id":"16f85f24-0856-81b3-fdda-f20f0a94571c","lease_id":"","renewable":false,"lease_duration":2764800,"data":{"password":"canary-password"},"wrap_info":null,"warnings":null,"auth":null})";

inline constexpr std::string_view nothing = R"({"errors":[]})";

inline constexpr std::string_view capabilities =
    R"({"sys/leases/revoke":["deny"],"sys/leases/renew":["update"],"auth/token/revoke-self":["update"],"request_id":"9fddd64c-74b4-f4e9-a207-42e106425d61","lease_id":"","renewable":false,"lease_duration":0,"data":{"auth/token/revoke-self":["update"],"sys/leases/renew":["update"],"sys/leases/revoke":["deny"]},"wrap_info":null,"warnings":null,"auth":null})";

inline constexpr std::string_view renewed =
    R"({"request_id":"4136072a-ca96-2bdd-2033-49d8e79728ae","lease_id":"database/creds/app/KrjAo2W91t9UtLNCg0PWqQXV","renewable":true,"lease_duration":3600,"data":null,"wrap_info":null,"warnings":null,"auth":null})";

inline constexpr std::string_view renewed_shorter =
    R"({"request_id":"66e91453-8455-9414-5f3d-650217abceaf","lease_id":"database/creds/app/KrjAo2W91t9UtLNCg0PWqQXV","renewable":true,"lease_duration":1,"data":null,"wrap_info":null,"warnings":["TTL of \"4s\" exceeded the effective max_ttl of \"1s\"; TTL value is capped accordingly"],"auth":null})";

inline constexpr std::string_view login =
    R"({"request_id":"bcce7c6d-d456-0e7b-a48d-c5b7adadfbc2","lease_id":"","renewable":false,"lease_duration":0,"data":null,"wrap_info":null,"warnings":null,"auth":{"client_token":"s.canary-own-1","accessor":"HEmGkj57PHmbfAQdatMUKtVe","policies":["app","default"],"token_policies":["app","default"],"metadata":{"role_name":"app"},"lease_duration":3600,"renewable":true,"entity_id":"4110df21-cdcc-33d1-7c4b-c9b570bc405b","token_type":"service","orphan":true,"mfa_requirement":null,"num_uses":0}})";

inline constexpr std::string_view second_login =
    R"({"auth":{"client_token":"s.canary-own-2","accessor":"AueJi1dwWELE1fnpiKyZGr5p","policies":["app","default"],"token_policies":["app","default"],"lease_duration":3600,"renewable":true}})";

inline constexpr std::string_view permission_denied = R"({"errors":["permission denied"]})";
inline constexpr std::string_view permission_denied_by_policy =
    R"({"errors":["1 error occurred:\n\t* permission denied\n\n"]})";
inline constexpr std::string_view unknown_role = R"({"errors":["unknown role: none"]})";
inline constexpr std::string_view not_allowed_role =
    R"({"errors":["1 error occurred:\n\t* \"forbidden\" is not an allowed role\n\n"]})";
inline constexpr std::string_view lease_not_found = R"({"errors":["lease not found"]})";
inline constexpr std::string_view bad_approle = R"({"errors":["invalid role or secret ID"]})";
inline constexpr std::string_view no_namespace = R"({"errors":["namespace not found"]})";
inline constexpr std::string_view sealed = R"({"errors":["Vault is sealed"]})";

}  // namespace sallyport::replies
