#include <vlm/model/describe.hpp>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <string>

#if !VLM_COMPILED
#include <vlm/cpu.hpp>
#include <vlm/io/json_definitions.hpp>
#endif

using namespace vlm;

namespace {

const std::string configs = "tests/model/configs/";

// What is published about a released model.
struct Released {
  const char* name;
  Index vision, text, total;
  std::size_t tensors, bytes;
  Index active;
};
const Released released[] = {
    {"2B", 406957056, 1720574976, 2127532032, 625, 4255064064, 1720574976},
    {"4B", 415347712, 4022468096, 4437815808, 713, 8875631616, 4022468096},
    {"8B", 576388336, 8190735360, 8767123696, 750, 17534247392, 8190735360},
    {"32B", 595266800, 32762123264, 33357390064, 1058, 66714780128, 32762123264},
    {"30B-A3B", 538631408, 30532122624, 31070754032, 882, 62141508064, 3353032704},
    {"235B-A22B", 576388336, 235093634560, 235670022896, 1388, 471340045792, 22190763520},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(model_describe)

BOOST_AUTO_TEST_CASE(counts_of_all_released_sizes_are_exact) {
  for (const Released& model : released) {
    BOOST_TEST_CONTEXT(model.name) {
      const Description d = describe(configs + model.name + ".json");
      BOOST_TEST(d.vision_parameters() == model.vision);
      BOOST_TEST(d.text_parameters() == model.text);
      BOOST_TEST(d.parameters() == model.total);
      BOOST_TEST(d.tensors.size() == model.tensors);
      BOOST_TEST(d.bytes() == model.bytes);
      BOOST_TEST(d.active_text_parameters() == model.active);
      BOOST_TEST(d.totals().find("\ntotal parameters: " + std::to_string(model.total) + "\n") !=
                 std::string::npos);
    }
  }
}

// Blocks that are alike stand once, under a heading for all of them.
BOOST_AUTO_TEST_CASE(the_tree_of_a_small_model) {
  const std::string tree = describe("tests/toy/start").tree();
  BOOST_TEST(tree.starts_with(R"(model                                                      143760  561.6 KiB
  visual                                                   110160  430.3 KiB
    patch_embed.proj                                         3104   12.1 KiB
      weight                             [32, 3, 2, 4, 4]    3072   12.0 KiB
      bias                                           [32]      32      128 B
    pos_embed.weight                             [36, 32]    1152    4.5 KiB
    blocks                                                  22512   87.9 KiB
      {0..2}, each                                           7504   29.3 KiB
        norm1                                                  64      256 B
          weight                                     [32]      32      128 B
)"));
  BOOST_TEST(tree.ends_with(R"(
        mlp                                                  4608   18.0 KiB
          gate_proj.weight                       [48, 32]    1536    6.0 KiB
          up_proj.weight                         [48, 32]    1536    6.0 KiB
          down_proj.weight                       [32, 48]    1536    6.0 KiB
    norm.weight                                      [32]      32      128 B
)"));
  BOOST_TEST(std::count(tree.begin(), tree.end(), '\n') == 67);
}

BOOST_AUTO_TEST_CASE(the_list_has_whole_names) {
  const Description d = describe(configs + "30B-A3B.json");
  const std::string list = d.list();
  BOOST_TEST(static_cast<std::size_t>(std::count(list.begin(), list.end(), '\n')) == d.tensors.size());
  const std::size_t at = list.find("model.language_model.layers.7.mlp.experts.gate_up_proj ");
  BOOST_REQUIRE(at != std::string::npos);
  const std::string line = list.substr(at, list.find('\n', at) - at);
  BOOST_TEST(line.ends_with("  [128, 2048, 1536]  402653184  768.0 MiB"));
}

BOOST_AUTO_TEST_CASE(totals_of_a_sparse_model) {
  BOOST_TEST(describe(configs + "30B-A3B.json").totals() ==
             "vision parameters: 538631408\ntext parameters: 30532122624\n"
             "active text parameters per token: 3353032704\ntotal parameters: 31070754032\ntensors: 882\n"
             "bytes: 62141508064 (BF16, 57.9 GiB)\n");
}

// A folder or its file; the type of a user's own spec, which must fit.
BOOST_AUTO_TEST_CASE(paths_and_types) {
  BOOST_TEST(describe("tests/toy/start").parameters() ==
             describe("tests/toy/start/config.json").parameters());
  BOOST_TEST(describe<Qwen3VL>("tests/toy/start").parameters() == describe("tests/toy/start").parameters());
  try {
    describe<Qwen3VLMoE>("tests/toy/start");
    BOOST_FAIL("no error");
  } catch (const ConfigError& error) {
    BOOST_TEST(
        std::string(error.what()) ==
        "vlm::ConfigError [config-type]\n  at        text_config\n  expected  num_experts, as the type has "
        "Decoder<..., MoE>\n  got       a dense decoder\n  try       a model type that fits config.json");
  }
  BOOST_CHECK_THROW(describe("no/such/folder"), FileError);
}

// What is described is what a model of the same configuration consists of.
BOOST_AUTO_TEST_CASE(the_tensors_are_those_of_the_model) {
  const ModelConfig config = ModelConfig::load("tests/toy/start");
  const auto model = Model<Qwen3VL, Cpu>::make(config, 1);
  const Description d = describe(config);
  BOOST_REQUIRE_EQUAL(d.tensors.size(), model.parameters().size());
  for (std::size_t i = 0; i < d.tensors.size(); ++i) {
    BOOST_TEST(d.tensors[i].name == model.parameters()[i].name);
    BOOST_TEST(d.tensors[i].shape == model.parameters()[i].record->stored_shape());
  }
}

BOOST_AUTO_TEST_CASE(bytes_as_text) {
  BOOST_TEST(bytes_text(0) == "0 B");
  BOOST_TEST(bytes_text(1023) == "1023 B");
  BOOST_TEST(bytes_text(1536) == "1.5 KiB");
  BOOST_TEST(bytes_text(std::size_t{3} << 40) == "3.0 TiB");
}

BOOST_AUTO_TEST_SUITE_END()
