// One error type from the storage read to the reply to the kernel: an errno, which cannot be mistaken for a
// size. Expected failures are values of this type; exceptions are for what ends the process.
#pragma once

#include <cerrno>
#include <system_error>
#include <utility>
#include <variant>

namespace copper {

// A positive errno value, as <cerrno> names them. Zero never occurs inside a Result.
enum class Errno : int {};

inline Errno last_errno() { return Errno{errno}; }
inline int number(Errno error) { return static_cast<int>(error); }

// A value or the error that storage (or the system) gave. Reading the half that is not there throws
// std::bad_variant_access: a bug, not an outcome.
template <class T>
class Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: a value is a result
  Result(Errno error) : state_(std::in_place_index<1>, error) {}         // NOLINT: so is an error

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  const T& value() const& { return std::get<0>(state_); }
  T& value() & { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  const T& operator*() const& { return value(); }
  T& operator*() & { return value(); }
  const T* operator->() const { return &value(); }

  Errno error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Errno> state_;
};

}  // namespace copper
