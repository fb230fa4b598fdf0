// What can fail at run time returns Result<T>: a value or an Error, never silently dropped.
#pragma once

#include "base/error.h"

#include <boost/system/result.hpp>

#include <utility>

namespace sallyport {

/// A value or an Error. `[[nodiscard]]`, which boost::system::result is not.
template <class T>
class [[nodiscard]] Result : public boost::system::result<T, Error> {
 public:
  using boost::system::result<T, Error>::result;
};

}  // namespace sallyport
