// mechanism: exception
// culprit: refuse
// role: decided
// message: quota of mail
// says: of type store::quota_error
#include <exception>
#include <string>
namespace store {
struct quota_error : std::exception {
	std::string text;
	quota_error(const char *s) : text(s) {}
	const char *what() const noexcept override { return text.c_str(); }
};
}
__attribute__((noipa)) int refuse(int n) { if (n > 0) throw store::quota_error("quota of mail"); return n; }
int main(int argc, char **argv) { return refuse(argc); }
