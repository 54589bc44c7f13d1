// Catch2's main, compiled once for all unit tests (its header takes longer than they do).
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
