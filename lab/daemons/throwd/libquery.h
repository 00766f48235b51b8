// libquery: what can be asked of a table.
//
//	SELECT COLUMN,... FROM TABLE [WHERE FIELD=VALUE] [LIMIT N]
//
// A column is a field, or a function of one: upper(f), lower(f), length(f), pad(f,n), slice(f,from,n).
#ifndef LIBQUERY_H
#define LIBQUERY_H

#include "libstore.h"

#include <stdexcept>
#include <string>
#include <vector>

namespace query {

// Error is what is wrong with a command; whoever sent it is told.
class Error : public std::runtime_error {
	using std::runtime_error::runtime_error;
};

// words splits a line at its spaces; quotes hold a word together.
std::vector<std::string> words(const std::string &line);

// A function's value for a field's; the numbers are its further arguments.
using Function = std::string (*)(const std::string &value, long first, long second);

struct Column {
	std::string field;
	Function function = nullptr;
	long first = 0, second = 0;
};

struct Select {
	std::vector<Column> columns;
	std::string table, field, value; // no field: every row
	size_t limit = 20;
};

// parse reads a SELECT's words.
Select parse(const std::vector<std::string> &words);

// run gives a line for each row that is found.
std::vector<std::string> run(const Select &select, const store::Store &from);

// The functions of columns.
std::string upper(const std::string &value, long, long);
std::string lower(const std::string &value, long, long);
std::string length(const std::string &value, long, long);
std::string pad(const std::string &value, long width, long);
std::string slice(const std::string &value, long from, long count);

} // namespace query

#endif
