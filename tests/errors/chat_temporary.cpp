// A chat does not outlive its model: a temporary is refused.
// expected: deleted
#include <vlm/infer/chat.hpp>

using namespace vlm;

using Net = Model<Qwen3VL, Cpu>;

void ask(const std::string& folder) {
#ifdef WRONG
  Chat chat(Net::load(folder));
#else
  const Net net = Net::load(folder);
  Chat chat(net);
#endif
  chat.user("What is it?");
}
