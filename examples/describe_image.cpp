// describe_image FOLDER IMAGE: what a Qwen3-VL model says about an image; the whole of it in ten lines.
#include <iostream>
#include <string>
#include <string_view>

#include <vlm/vlm.hpp>

#include "command_line.hpp"

int main(int count, char** arguments) {
  CLI::App app("Describes an image with a dense Qwen3-VL model.");
  std::string folder, path;
  app.add_option("FOLDER", folder, "the model: config, weights, tokenizer, preprocessor")->required();
  app.add_option("IMAGE", path, "an image file")->required();
  return example::run(app, count, arguments, [&] {
    const auto net = vlm::Model<vlm::Qwen3VL, vlm::Cpu>::load(folder);
    vlm::Chat chat(net);
    chat.user(vlm::image(path), "Describe this image.");
    for (std::string_view piece : chat.reply({.max_tokens = 256})) std::cout << piece << std::flush;
    std::cout << '\n';
    return 0;
  });
}
