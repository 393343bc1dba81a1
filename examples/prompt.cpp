// prompt FOLDER < CONVERSATIONS: the text that the folder's chat template makes of each conversation, a JSON string a
// line. A conversation is {"messages": [...], "tools": [...], "add_generation_prompt": true, "add_vision_id": false};
// all but the messages may be left out.
#include <cstdio>
#include <string>

#include <vlm/vlm.hpp>

#include "command_line.hpp"

int main(int count, char** arguments) {
  CLI::App app("What a model reads: conversations in JSON lines in, rendered prompts as JSON strings out.");
  std::string folder;
  app.add_option("FOLDER", folder, "folder with chat_template.jinja or chat_template.json")->required();
  return example::run(app, count, arguments, [&] {
    const vlm::ChatTemplate chat = vlm::ChatTemplate::load(folder);
    example::for_each_line([&](const std::string& line) {
      std::puts(vlm::write_json(chat.render(vlm::parse_json(line, "standard input"))).c_str());
    });
    return 0;
  });
}
