// throwd: tables of rows, for those who ask by lines over TCP.
//
//	PUT TABLE KEY FIELD=VALUE ... | GET TABLE KEY | DEL TABLE KEY | COUNT TABLE | SELECT (libquery.h)
//	WAIT TABLE KEY    answered when the row is put the next time
//	QUIT
//
// The main thread reads; three workers obey. A connection's commands are obeyed one after the other.
#include "libquery.h"
#include "libstore.h"

#include <arpa/inet.h>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <fstream>
#include <iostream>
#include <list>
#include <memory>
#include <mutex>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace {

constexpr size_t workers = 3, longest = 8192;

// Connection is closed when the last who needs it lets it go.
struct Connection {
	explicit Connection(int fd) : fd(fd) {}
	~Connection() { close(fd); }
	Connection(const Connection &) = delete;

	void tell(const std::string &text) const { send(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT); }

	const int fd;
	std::string input;            // the main thread's
	std::deque<std::string> lines; // to be obeyed; the pool's
	bool busy = false, gone = false;
};

using Client = std::shared_ptr<Connection>;

class Server {
public:
	void load(const std::string &path);
	void serve(int listener);

private:
	struct Waiter {
		std::string table, key;
		std::weak_ptr<Connection> client;
	};

	void read(const Client &client);
	void submit(const Client &client, std::string line);
	void work();
	void obey(const Client &client, const std::string &line);
	void put(const Client &client, const std::vector<std::string> &words);
	void wake(const std::string &table, const std::string &key);

	store::Store store;
	std::list<Client> clients;
	std::mutex lock; // of the queue, of what the connections keep for it, and of the waiters
	std::condition_variable more;
	std::deque<Client> queue;
	std::list<Waiter> waiters;
};

store::Row fields(const std::vector<std::string> &words, size_t from)
{
	store::Row row;

	for (size_t i = from; i < words.size(); i++) {
		size_t equals = words[i].find('=');
		if (equals == std::string::npos || equals == 0)
			throw query::Error("not FIELD=VALUE: " + words[i]);
		row[words[i].substr(0, equals)] = words[i].substr(equals + 1);
	}
	return row;
}

void Server::load(const std::string &path)
{
	std::ifstream file(path);

	for (std::string line; std::getline(file, line);) {
		auto w = query::words(line);
		if (w.size() >= 2)
			store.put(w[0], w[1], fields(w, 2));
	}
}

void Server::put(const Client &client, const std::vector<std::string> &words)
{
	store.put(words[1], words[2], fields(words, 3));
	client->tell("OK\n");
	wake(words[1], words[2]);
}

// wake tells those who wait for a row.
void Server::wake(const std::string &table, const std::string &key)
{
	std::unique_lock held(lock);

	waiters.remove_if([&](const Waiter &w) {
		if (w.table != table || w.key != key)
			return false;
		if (auto client = w.client.lock())
			client->tell("CHANGED " + table + " " + key + "\n");
		return true;
	});
}

void Server::obey(const Client &client, const std::string &line)
{
	auto w = query::words(line);
	const std::string verb = w.empty() ? "" : w[0];
	store::Row row;

	if (verb == "PUT" && w.size() > 3) {
		put(client, w);
	} else if (verb == "GET" && w.size() == 3) {
		std::string text = store.get(w[1], w[2], row) ? "OK" : "NO such row";
		for (const auto &[name, value] : row)
			text += "\t" + name + "=" + value;
		client->tell(text + "\n");
	} else if (verb == "DEL" && w.size() == 3) {
		client->tell(store.remove(w[1], w[2]) ? "OK\n" : "NO such row\n");
	} else if (verb == "COUNT" && w.size() == 2) {
		client->tell("OK " + std::to_string(store.count(w[1])) + "\n");
	} else if (verb == "SELECT") {
		auto lines = query::run(query::parse(w), store);
		std::string text;
		for (const std::string &l : lines)
			text += "| " + l + "\n";
		client->tell(text + "OK " + std::to_string(lines.size()) + "\n");
	} else if (verb == "WAIT" && w.size() == 3) {
		std::unique_lock held(lock);
		waiters.push_back({ w[1], w[2], client });
	} else if (verb == "QUIT") {
		shutdown(client->fd, SHUT_RDWR);
	} else {
		throw query::Error("no such command");
	}
}

// work obeys lines as they come, one of a client's at a time.
void Server::work()
{
	std::unique_lock held(lock);

	for (;;) {
		more.wait(held, [this] { return !queue.empty(); });
		Client client = queue.front();
		queue.pop_front();
		while (!client->lines.empty() && !client->gone) {
			std::string line = client->lines.front();
			client->lines.pop_front();
			held.unlock();
			try {
				obey(client, line);
			} catch (const query::Error &wrong) {
				client->tell(std::string("NO ") + wrong.what() + "\n");
			}
			held.lock();
		}
		client->busy = false;
	}
}

void Server::submit(const Client &client, std::string line)
{
	std::unique_lock held(lock);

	client->lines.push_back(std::move(line));
	if (client->busy)
		return;
	client->busy = true;
	queue.push_back(client);
	more.notify_one();
}

// read takes what has come from a client; its lines go to the workers.
void Server::read(const Client &client)
{
	char data[4096];
	ssize_t n = recv(client->fd, data, sizeof data, MSG_DONTWAIT);
	size_t end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		client->input.append(data, static_cast<size_t>(n));
	while ((end = client->input.find('\n')) != std::string::npos) {
		std::string line = client->input.substr(0, end);
		client->input.erase(0, end + 1);
		if (!line.empty() && line.back() == '\r')
			line.pop_back();
		submit(client, line);
	}
	if (n > 0 && client->input.size() <= longest)
		return;
	std::unique_lock held(lock);
	client->gone = true;
}

void Server::serve(int listener)
{
	for (size_t i = 0; i < workers; i++)
		std::thread([this] { work(); }).detach();
	for (;;) {
		std::vector<pollfd> fds{ { listener, POLLIN, 0 } };
		for (const Client &c : clients)
			fds.push_back({ c->fd, POLLIN, 0 });
		if (poll(fds.data(), fds.size(), -1) < 0)
			continue;
		size_t i = 1;
		for (auto c = clients.begin(); c != clients.end(); i++) {
			if (fds[i].revents)
				read(*c);
			c = (*c)->gone ? clients.erase(c) : std::next(c);
		}
		if (fds[0].revents) {
			int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
			if (fd >= 0)
				clients.push_back(std::make_shared<Connection>(fd));
		}
	}
}

} // namespace

int main(int argc, char **argv)
{
	sockaddr_in at{};
	int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	Server server;

	if (argc != 3) {
		std::cerr << "usage: throwd PORT TABLES\n";
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	server.load(argv[2]);
	at.sin_family = AF_INET;
	at.sin_port = htons(static_cast<uint16_t>(atoi(argv[1])));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(listener, reinterpret_cast<sockaddr *>(&at), sizeof at) < 0 || listen(listener, 128) < 0) {
		perror("throwd");
		return 1;
	}
	server.serve(listener);
}
