// libstore: tables of rows, and the fields of a row.
#include "libstore.h"

#include <mutex>

namespace store {

void Store::put(const std::string &table, const std::string &key, const Row &fields)
{
	std::unique_lock held(lock);
	Row &row = tables[table][key];

	for (const auto &[name, value] : fields)
		row[name] = value;
}

bool Store::remove(const std::string &table, const std::string &key)
{
	std::unique_lock held(lock);
	auto t = tables.find(table);

	return t != tables.end() && t->second.erase(key) > 0;
}

bool Store::get(const std::string &table, const std::string &key, Row &row) const
{
	std::shared_lock held(lock);
	auto t = tables.find(table);

	if (t == tables.end())
		return false;
	auto r = t->second.find(key);
	if (r == t->second.end())
		return false;
	row = r->second;
	return true;
}

size_t Store::count(const std::string &table) const
{
	std::shared_lock held(lock);
	auto t = tables.find(table);

	return t == tables.end() ? 0 : t->second.size();
}

void Store::each(const std::string &table, const std::function<bool(const std::string &, const Row &)> &visit) const
{
	std::shared_lock held(lock);
	auto t = tables.find(table);

	if (t == tables.end())
		return;
	for (const auto &[key, row] : t->second)
		if (!visit(key, row))
			return;
}

} // namespace store
