// The room train: stages and the trainer.
#pragma once

#include <vlm/train/checkpoint.hpp>
#include <vlm/train/contrastive_trainer.hpp>
#include <vlm/train/curve_chart.hpp>
#include <vlm/train/event_file.hpp>
#include <vlm/train/interrupt.hpp>
#include <vlm/train/memory_ledger.hpp>
#include <vlm/train/optimizer.hpp>
#include <vlm/train/progress.hpp>
#include <vlm/train/recipe.hpp>
#include <vlm/train/recipe_file.hpp>
#include <vlm/train/report_page.hpp>
#include <vlm/train/run_steps.hpp>
#include <vlm/train/schedule.hpp>
#include <vlm/train/sigmoid_contrastive.hpp>
#include <vlm/train/stage.hpp>
#include <vlm/train/stages.hpp>
#include <vlm/train/trainer.hpp>
#include <vlm/train/validation.hpp>
