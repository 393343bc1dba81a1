#include <boost/test/unit_test.hpp>

#include <vlm/io/json_definitions.hpp>
#include <vlm/text/chat_folder.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "message_of.hpp"
#include "temporary_folder.hpp"
#include "text/qwen3_vocabulary.hpp"

using vlm::ChatTemplate;
using vlm::ChatVariant;

namespace {

const std::string goldens = "tests/golden/chat/";

std::string source_of(const std::string& name) {
  return vlm::read_file(goldens + "chat_template." + name + ".jinja");
}

// Both ways of rendering give the reference's text: by rules, and the same template by the interpreter.
void check_conversations(const std::string& name, std::size_t count) {
  const auto cases = golden_lines(goldens + name);
  BOOST_TEST(cases.size() == count);
  std::size_t line = 0;
  for (const vlm::Json& c : cases) {
    const std::string source = source_of(c.at("template").string());
    const std::string& text = c.at("text").string();
    BOOST_TEST_CONTEXT(name << ":" << ++line) {
      const ChatTemplate rules = ChatTemplate::from_source(source, "t.jinja");
      BOOST_TEST(rules.variant().has_value());
      BOOST_TEST(rules.render(c) == text);
      BOOST_TEST(vlm::TemplateProgram(source, "t.jinja").render(c) == text);
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_chat_folder)

BOOST_AUTO_TEST_CASE(given_conversations) { check_conversations("given.jsonl", 40); }

BOOST_AUTO_TEST_CASE(own_conversations) { check_conversations("conversations.jsonl", 60); }

BOOST_AUTO_TEST_CASE(the_published_templates_are_recognised) {
  BOOST_TEST(
      (ChatTemplate::from_source(source_of("instruct") + "\n", "t").variant() == ChatVariant::Instruct));
  BOOST_TEST((ChatTemplate::from_source(source_of("thinking"), "t").variant() == ChatVariant::Thinking));
  BOOST_TEST(!ChatTemplate::from_source(" " + source_of("thinking"), "t").variant().has_value());
  BOOST_TEST(!ChatTemplate::from_source("", "t").variant().has_value());
}

BOOST_AUTO_TEST_CASE(templates_in_folders) {
  TemporaryFolder folder;
  const vlm::Json chat = vlm::parse_json(R"({"messages": [{"role": "user", "content": "Hi"}]})", "chat");
  BOOST_TEST(message_of([&] { ChatTemplate::load(folder.path); }) ==
             "vlm::FileError [file-open]\n  file      " + folder.path +
                 "/chat_template.jinja\n  expected  a readable file\n  got       No such file or directory\n"
                 "  try       check the path and its permissions");
  vlm::write_file_atomically(folder.path + "/tokenizer_config.json",
                             R"({"chat_template": "{{ messages[0].role }}"})");
  BOOST_TEST(ChatTemplate::load(folder.path).render(chat) == "user");
  vlm::write_file_atomically(folder.path + "/chat_template.json",
                             vlm::write_json(vlm::Json::object({{"chat_template", source_of("instruct")}})));
  BOOST_TEST((ChatTemplate::load(folder.path).variant() == ChatVariant::Instruct));
  BOOST_TEST(ChatTemplate::load(folder.path).render(chat) == "<|im_start|>user\nHi<|im_end|>\n");
  vlm::write_file_atomically(folder.path + "/chat_template.jinja", "{{ messages[0].content }}!");
  BOOST_TEST(ChatTemplate::load(folder.path).render(chat) == "Hi!");
  vlm::write_file_atomically(folder.path + "/chat_template.jinja", "{% block x %}{% endblock %}");
  BOOST_TEST(message_of([&] { ChatTemplate::load(folder.path); }) ==
             "vlm::ConfigError [chat-template]\n  file      " + folder.path +
                 "/chat_template.jinja\n  at        line 1\n"
                 "  expected  a construct that this interpreter of templates knows\n"
                 "  got       the tag block\n"
                 "  try       the template that the model was published with, or a simpler one");
}

BOOST_AUTO_TEST_SUITE_END()
