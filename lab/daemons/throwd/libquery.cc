// libquery: what can be asked of a table.
#include "libquery.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace query {

namespace {

struct Known {
	const char *name;
	Function function;
	size_t numbers; // that it takes
};

const Known functions[] = {
	{ "upper", upper, 0 }, { "lower", lower, 0 }, { "length", length, 0 }, { "pad", pad, 1 }, { "slice", slice, 2 },
};

constexpr long widest = 200;

long number(const std::string &text)
{
	long value = 0;
	auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);

	if (wrong != std::errc() || end != text.data() + text.size())
		throw Error("not a number: " + text);
	return value;
}

std::vector<std::string> split(const std::string &text, char at)
{
	std::vector<std::string> parts(1);
	int depth = 0;

	for (char c : text) {
		depth += (c == '(') - (c == ')');
		if (c == at && depth == 0)
			parts.emplace_back();
		else
			parts.back() += c;
	}
	return parts;
}

Column column(const std::string &text)
{
	Column c;
	size_t open = text.find('(');

	if (open == std::string::npos) {
		c.field = text;
		return c;
	}
	if (text.back() != ')')
		throw Error("a bracket is missing: " + text);
	auto arguments = split(text.substr(open + 1, text.size() - open - 2), ',');
	for (const Known &k : functions) {
		if (text.compare(0, open, k.name))
			continue;
		if (arguments.size() != 1 + k.numbers)
			throw Error("wrong number of arguments: " + text);
		c.field = arguments[0];
		c.function = k.function;
		c.first = k.numbers > 0 ? number(arguments[1]) : 0;
		c.second = k.numbers > 1 ? number(arguments[2]) : 0;
		return c;
	}
	throw Error("no such function: " + text);
}

std::string show(const Column &c, const std::string &key, const store::Row &row)
{
	if (c.field == "key")
		return c.function ? c.function(key, c.first, c.second) : key;
	auto found = row.find(c.field);
	if (found == row.end())
		return "-";
	return c.function ? c.function(found->second, c.first, c.second) : found->second;
}

} // namespace

std::vector<std::string> words(const std::string &line)
{
	std::vector<std::string> all;
	bool quoted = false, within = false;

	for (char c : line) {
		if (c == '"') {
			quoted = !quoted;
		} else if (c == ' ' && !quoted) {
			within = false;
			continue;
		}
		if (!within)
			all.emplace_back();
		within = true;
		if (c != '"')
			all.back() += c;
	}
	if (quoted)
		throw Error("a quote is missing");
	return all;
}

Select parse(const std::vector<std::string> &words)
{
	Select s;

	if (words.size() < 4 || words[2] != "FROM" || words.size() % 2)
		throw Error("SELECT columns FROM table [WHERE field=value] [LIMIT n]");
	for (const std::string &text : split(words[1], ','))
		s.columns.push_back(column(text));
	s.table = words[3];
	for (size_t i = 4; i < words.size(); i += 2) {
		const std::string &what = words[i + 1];
		if (words[i] == "LIMIT") {
			s.limit = static_cast<size_t>(std::clamp(number(what), 0L, 100L));
		} else if (words[i] == "WHERE" && what.find('=') != std::string::npos) {
			s.field = what.substr(0, what.find('='));
			s.value = what.substr(what.find('=') + 1);
		} else {
			throw Error("what is " + words[i]);
		}
	}
	return s;
}

std::vector<std::string> run(const Select &select, const store::Store &from)
{
	std::vector<std::string> lines;

	from.each(select.table, [&](const std::string &key, const store::Row &row) {
		auto field = row.find(select.field);
		bool found = select.field.empty() || (select.field == "key" && key == select.value) ||
		             (field != row.end() && field->second == select.value);
		if (!found)
			return true;
		if (lines.size() == select.limit)
			return false;
		std::string line;
		for (const Column &c : select.columns)
			line += (line.empty() ? "" : "\t") + show(c, key, row);
		lines.push_back(line);
		return true;
	});
	return lines;
}

std::string upper(const std::string &value, long, long)
{
	std::string out = value;

	std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::toupper(c); });
	return out;
}

std::string lower(const std::string &value, long, long)
{
	std::string out = value;

	std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
	return out;
}

std::string length(const std::string &value, long, long) { return std::to_string(value.size()); }

std::string pad(const std::string &value, long width, long)
{
	std::string out = value;

	if (width > static_cast<long>(out.size()))
		out.resize(static_cast<size_t>(std::min(width, widest)), ' ');
	return out;
}

// slice is a part of a value; it begins so far from the end, if that is negative.
std::string slice(const std::string &value, long from, long count)
{
	long size = static_cast<long>(value.size());

	if (from < 0)
		from += size;
	if (from >= size || count <= 0)
		return "";
	return value.substr(static_cast<size_t>(from), static_cast<size_t>(count));
}

} // namespace query
