// What to do about an error of a secret source whose author had nothing better to say.
#pragma once

#include "base/error.h"

namespace sallyport::secrets {

/// The error with a hint: its own, or one by its code. Nobody is left with a message that names no fix.
Error with_fix(Error error);

}  // namespace sallyport::secrets
