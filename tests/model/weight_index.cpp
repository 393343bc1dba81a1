#include <vlm/model/weight_index.hpp>

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "temporary_folder.hpp"

#if !VLM_COMPILED
#include <vlm/io/json_definitions.hpp>
#endif

using namespace vlm;

namespace {

// An index over tensors of these names, each of one number.
struct Indexed {
  explicit Indexed(const std::vector<std::string>& names) {
    SafetensorsWriter writer(folder.path + "/model.safetensors");
    for (const std::string& name : names) writer.declare(name, DType::F32, {1});
    const float number = 0;
    for (const std::string& name : names) writer.write(name, std::as_bytes(std::span(&number, 1)));
    writer.commit();
  }
  WeightIndex index() const { return WeightIndex{SafetensorsFolder(folder.path)}; }
  std::string refusal() const {
    try {
      index();
    } catch (const FileError& error) {
      return error.what();
    }
    return "no error";
  }
  TemporaryFolder folder;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(model_weight_index)

BOOST_AUTO_TEST_CASE(names_of_re_exports_are_known) {
  const std::pair<const char*, const char*> names[] = {
      {"model.visual.pos_embed.weight", "model.visual.pos_embed.weight"},
      {"model.language_model.layers.3.mlp.gate_proj.weight",
       "model.language_model.layers.3.mlp.gate_proj.weight"},
      {"lm_head.weight", "lm_head.weight"},
      {"visual.blocks.0.norm1.bias", "model.visual.blocks.0.norm1.bias"},
      {"vision_tower.merger.norm.weight", "model.visual.merger.norm.weight"},
      {"language_model.model.norm.weight", "model.language_model.norm.weight"},
      {"language_model.lm_head.weight", "lm_head.weight"},
      {"model.embed_tokens.weight", "model.language_model.embed_tokens.weight"},
      {"model.layers.0.input_layernorm.weight", "model.language_model.layers.0.input_layernorm.weight"},
      {"model.norm.weight", "model.language_model.norm.weight"},
      {"model.normal", "model.normal"},
  };
  for (const auto& [stored, ours] : names) BOOST_TEST(tensor_name(stored) == ours);
}

BOOST_AUTO_TEST_CASE(experts_are_pieces_of_one_weight) {
  const std::string mlp = "model.layers.0.mlp.experts.", ours = "model.language_model.layers.0.mlp.experts.";
  const Indexed stored({mlp + "1.gate_proj.weight", mlp + "0.gate_proj.weight", mlp + "0.up_proj.weight",
                        mlp + "2.down_proj.weight", mlp + "0.bias", mlp + "99999.up_proj.weight"});
  const WeightIndex index = stored.index();
  const WeightSource* gate_up = index.find(ours + "gate_up_proj");
  BOOST_REQUIRE(gate_up);
  BOOST_TEST((gate_up->kind == WeightSource::Kind::Experts));
  BOOST_REQUIRE_EQUAL(gate_up->pieces.size(), 3u);
  BOOST_TEST(gate_up->pieces[0]->name == mlp + "0.gate_proj.weight");
  BOOST_TEST(gate_up->pieces[1]->name == mlp + "0.up_proj.weight");
  BOOST_TEST(gate_up->pieces[2]->name == mlp + "1.gate_proj.weight");
  const WeightSource* down = index.find(ours + "down_proj");
  BOOST_REQUIRE(down);
  BOOST_REQUIRE_EQUAL(down->pieces.size(), 3u);
  BOOST_TEST((!down->pieces[0] && !down->pieces[1] && down->pieces[2]));
  // What is no expert's matrix keeps its own name.
  BOOST_TEST(index.find(ours + "0.bias"));
  BOOST_TEST(index.find(ours + "99999.up_proj.weight"));
  BOOST_TEST(index.names().size() == 4u);
}

BOOST_AUTO_TEST_CASE(a_weight_under_two_names_is_refused) {
  const auto message = [](const Indexed& stored, const std::string& tensor, const std::string& present) {
    return "vlm::FileError [safetensors-tensor]\n  file      " + stored.folder.path +
           "/model.safetensors\n  tensor    " + tensor +
           "\n  expected  each weight under one name\n  got       one that is there as " + present +
           ", too\n  try       fetch or write the file again";
  };
  const Indexed twice({"model.visual.pos_embed.weight", "visual.pos_embed.weight"});
  BOOST_TEST(twice.refusal() == message(twice, "visual.pos_embed.weight", "model.visual.pos_embed.weight"));
  const std::string mlp = "model.layers.0.mlp.experts.";
  const Indexed both({mlp + "gate_up_proj", mlp + "0.up_proj.weight"});
  BOOST_TEST(both.refusal() == message(both, mlp + "0.up_proj.weight", mlp + "gate_up_proj"));
  const Indexed reversed({mlp + "0.up_proj.weight", mlp + "gate_up_proj"});
  BOOST_TEST(reversed.refusal() == message(reversed, mlp + "gate_up_proj", mlp + "0.up_proj.weight"));
}

BOOST_AUTO_TEST_CASE(weights_of_another_architecture_are_composed) {
  const Indexed stored({"q", "k"});
  WeightIndex index = stored.index();
  index.select([](const std::string& name) { return name == "q"; });
  BOOST_TEST(index.find("q"));
  BOOST_TEST(!index.find("k"));
  index.select([](const std::string&) { return false; });
  BOOST_TEST(index.names().empty());
  index.compose("qkv", WeightSource::Kind::Stacked, {"q", "k", "v"});
  const WeightSource* source = index.find("qkv");
  BOOST_REQUIRE(source);
  BOOST_TEST(source->pieces[1]->name == "k");
  BOOST_TEST(!source->pieces[2]);
  BOOST_TEST(source->names[2] == "v");
  BOOST_TEST(index.names() == std::vector<std::string>{"qkv"});
}

BOOST_AUTO_TEST_SUITE_END()
