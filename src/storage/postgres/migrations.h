#pragma once

// The scripts that lead from one schema to the next: many statements each, run in one transaction.
namespace todo::storage::postgres {

extern const char* const schema_1;  // from nothing

}  // namespace todo::storage::postgres
