// report RUN_FOLDER OUT.html: one self-contained page about a run, from the files that training leaves: curves, scores,
// and pictures with questions and answers. See vlm/train/report_page.hpp for what is read.
// test: report {toy}/run report.html
#include <cstdio>
#include <string>

#include <vlm/vlm.hpp>

#include "command_line.hpp"

int main(int count, char** arguments) {
  CLI::App app(
      "Writes a page about a run: loss curves, scores, sample answers with what they point at drawn.");
  std::string folder, page;
  app.add_option(
         "RUN_FOLDER", folder,
         "folder of the run: log.jsonl or NAME/log.jsonl, scores.json, samples.json, each if there is one")
      ->required();
  app.add_option("OUT", page, "the HTML file to write")->required();
  return example::run(app, count, arguments, [&] {
    vlm::write_file_atomically(page, vlm::report_page(folder));
    std::printf("wrote %s\n", page.c_str());
    return 0;
  });
}
