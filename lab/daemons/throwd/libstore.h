// libstore: tables of rows, and the fields of a row.
#ifndef LIBSTORE_H
#define LIBSTORE_H

#include <functional>
#include <map>
#include <shared_mutex>
#include <string>

namespace store {

using Row = std::map<std::string, std::string>;

class Store {
public:
	// put sets some fields of a row, which may be new.
	void put(const std::string &table, const std::string &key, const Row &fields);
	bool remove(const std::string &table, const std::string &key);

	// get copies a row; false if there is none.
	bool get(const std::string &table, const std::string &key, Row &row) const;
	size_t count(const std::string &table) const;

	// each visits a table's rows by their keys' order, until the visitor has enough.
	void each(const std::string &table, const std::function<bool(const std::string &key, const Row &)> &visit) const;

private:
	mutable std::shared_mutex lock;
	std::map<std::string, std::map<std::string, Row>> tables;
};

} // namespace store

#endif
