// A throwaway certificate with its key, as AZURE_CLIENT_CERTIFICATE_PATH names one: of nobody, for tests.
#pragma once

#include <string>

namespace sallyport {

inline std::string azure_certificate_alone() {
  return R"(
-----BEGIN CERTIFICATE-----
MIIDFTCCAf2gAwIBAgIUTfEC59JODOuWWh9li9jEbSADWSQwDQYJKoZIhvcNAQEL
BQAwGTEXMBUGA1UEAwwOc2FsbHlwb3J0IHRlc3QwIBcNMjYxMTMwMDY1ODMyWhgP
MjEyNjExMDYwNjU4MzJaMBkxFzAVBgNVBAMMDnNhbGx5cG9ydCB0ZXN0MIIBIjAN
BgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAty0alThb1Q65Dw6ju4nUq75H/CEN
mOHGvePAw5Bd+/nHlCYWLCQk+remwlrFAeUzjG2rEJ0kBOQ8d+OU06F5+LjYloqQ
xvvV6dv/non0dJwfwapSCivBSdAfnCkXbFySgeYUYrQTPKMkmG6jC5SzfvH6igKJ
vcmiSXSXPQoJ2jTn2SAnunG6bHFGVehFqmKlW7yStKC/svIHfnoQlG1oQlntaJ+Q
w2t+7KwarmdUhKeStnxXs0veusJk8ylpekH1V1rNWAEkm4wYMKcrl/G3H8G1zUBy
ulbpzbvNDBmpndcdVBl7vxF06KbqafoPlR4Htd9P+U/YrPRuc1Io40cT4QIDAQAB
o1MwUTAdBgNVHQ4EFgQUlevN7myW0GBzAAcdI0RifUrBOvcwHwYDVR0jBBgwFoAU
levN7myW0GBzAAcdI0RifUrBOvcwDwYDVR0TAQH/BAUwAwEB/zANBgkqhkiG9w0B
AQsFAAOCAQEAqwsCgaZ5S0APK1T2a2ql+TmtqC7eEkFeV00RbDhA3KGUuLAVNb82
B3dBnWNS9pfKhubhIbanrDRcu2uzxrnd5heSd9ILgEK0eGL52YYGVIXcLF/G6UZh
x756I5DmHgNYaiNNjJTn/EZSi3etxIqsCBM7bgnMDJO/oUHFTA6ehPHLrFFld00p
CwZGt6d/rijhwImj+yuRxxaHOdxEwF79INHIuMKqqugVVn0PcHwUC0uAZAsfNkJt
wQsWLVsW7PnLMWYULPXMc+E3sOGOPQRCkHXmRr+wKoS+qQUKCuB9klMDWxRmH2Jt
UF1Wru3CEanIBRZ78Nr/hRJhkaTPIrU3nw==
-----END CERTIFICATE-----
)";
}

/// Its key, in two halves: scanners look for the line that begins one.
inline std::string azure_certificate_key() {
  return std::string{"-----BEGIN PRIVATE"} + R"( KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC3LRqVOFvVDrkP
DqO7idSrvkf8IQ2Y4ca948DDkF37+ceUJhYsJCT6t6bCWsUB5TOMbasQnSQE5Dx3
45TToXn4uNiWipDG+9Xp2/+eifR0nB/BqlIKK8FJ0B+cKRdsXJKB5hRitBM8oySY
bqMLlLN+8fqKAom9yaJJdJc9CgnaNOfZICe6cbpscUZV6EWqYqVbvJK0oL+y8gd+
ehCUbWhCWe1on5DDa37srBquZ1SEp5K2fFezS966wmTzKWl6QfVXWs1YASSbjBgw
pyuX8bcfwbXNQHK6VunNu80MGamd1x1UGXu/EXTopupp+g+VHge130/5T9is9G5z
UijjRxPhAgMBAAECggEACO779CmcvvIaH+wem6Of+eVMlPUWuO1P+ExehxsoHkUj
EOxfmfUEUa75xNJQ9+PyBOgHVwbW7h8kfNNeW4jtTi5Tr9nfsDixiNeIKrb/M122
5cbU+/aA1YT/Oao+YHROV+P8/AhcxNEPFJkWvhaZP3h1N9xiU9182vjC9IDkFJ55
Lv3QqkcM/4M59TIe5vVykeUTZrv3WV+ocGmn31AsNJyNsuzJz2V05+hNhbovNiSc
/HoJPUzLze/3QJNfpiUkAaCShQA4kp2hyIpxVCuuIGGcsZwQJvOv/sRFPooaXDDu
SfePEcbc9YxNFxc6XwTonjzvnNTe3XIqr7V5534lzQKBgQDw9gcmOajdMGaonxJT
DSCVQ0DEW1+B6cH/hQtSzDj7HeocOQx+g/9FAWXknMB/a7optDH0EUrb4a9/NQij
faTQSVMYnhlUFNgqqq/RcdWYXtLHTNLB4ytDF24G9xLvTEVcL2LhMUK4oH1ZagBO
75lm2wnO/cK/1YR6ux7yfpFBVQKBgQDCm9ByxLT6lXfi8Qmj9KwqOAdn7H981SQc
tobOhi8O/UAJSxZ3aVm9i04bJ65TerIroTws3Jwawd1wisH7/RI61sJQGjgaTkKk
pOJl5MCmL/wAPqad1khE3HJ+9DhVfzg2DG/gv9TiQOSdUq/jlnVCZHNw3MGklHnu
4kGezFj4XQKBgQCo8ugaXi1PQUOJkVco0jh5T5lW0/ZIQZ1bSm6hFD4TnGrsdPeU
sXpHaO6Hd3zlGqSB3y1zQripKTmCyK2Q7GSmAfN4fEmoEaFrcRgrk1Q/LKU/Rlcz
yNMpjIEB8zTcgi7Trwn2eTKd/zFEgzVKI2b8njHnZzeoh84Gu7K8NhAkrQKBgGYZ
+bM9IPaXlN6sN7Kdm/ZKjxgnLHwCF4A5A2E3ZVkn5YD6tD7SNxMLE1+L4hpKNVBO
t5OR6xTewZ9aLYxXqkjUg/4iw2yJws0+9MkgyzJl2oEGXcRRuHjob+nLmALDTGqO
++OewcIy6b7gswdk2QCMU0TTjYUboR2D94mpDMTBAoGAPwYUKMTU44rzHbqXda3p
azFXXLOcw2QAp30JkXbPvZ68VthgzeR8HmY5fHgoEyJmsjNybIjUSsjryZUOCalt
J0hMDX5QgT0PEQFm4bGykBOu/SnAST+sETIOpiMDC9EDRXXjecMe9dLj9av+Pinp
yaqdYyK+UqUrd3chFkuIkJw=
-----END PRIVATE KEY-----
)";
}

/// As it stands in a JSON text.
inline std::string certificate_in_json() {
  std::string pem{azure_certificate_alone()};
  pem = pem.substr(pem.find("-----BEGIN CERTIFICATE"));
  std::string out;
  for (const char c : pem) out += c == '\n' ? std::string{"\\n"} : std::string{c};
  return out;
}

inline std::string azure_certificate() { return azure_certificate_key() + azure_certificate_alone(); }

}  // namespace sallyport
